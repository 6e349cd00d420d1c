"""Persons taken out of documents before they are cut, indexed or shown to a model.

Two ways: `mask` writes what stood there (`[NAME]`, `[姓名]`) and forgets it; `pseudonym` writes a placeholder that is
the same for the same person in all documents (`[NAME_3]`), and a `Vault` apart from the collection can put it back.
Of dates the year is kept (45 CFR 164.514(b)(2), Safe Harbor); ages of 90 and more go, younger ones stay.
Doses, laboratory values, amounts, years, pages, period ends, companies and eponyms are left.

It knows patterns and word lists, not sense: measured recall is in the docs, and none of it is a legal guarantee. Names
of files (`Document.source`) stay as they are, since updates are known by them; one that seems to name a person is told.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ingest.identifiers import Span, identifiers
from ingest.parsers.blocks import Heading, Parsed
from ingest.personal_names import english_names, words_of
from ingest.personal_names_zh import chinese_names
from ingest.vault import LABELS, PLACEHOLDER, Vault, identity_of, placeholder, restore, restore_stream
from rag.errors import SettingsError
from rag.language import detect_language, has_han
from rag.schema import Cell, Document, Scalar, Table

__all__ = [
    "KINDS", "Deidentified", "Found", "Mode", "Vault", "deidentify", "deidentify_parsed", "identity", "restore",
    "restore_stream",
]  # fmt: skip

Mode = Literal["off", "mask", "pseudonym"]
KINDS = tuple(kind for kind in LABELS if kind != "TEXT")
VERSION = "1"  # raised when patterns or lists change what is found: documents are then read anew
_PERSON_KEYS = frozenset({"author", "creator", "last_modified_by", "manager", "patient", "doctor", "signatory"})
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
_SIGNS = re.compile(r"[\W_]+")
_NAMED_FILE = "its name seems to hold that of a person, and names of files are shown with what is cited: rename it."
_EDGE = re.compile(r"\n| \| ")  # what a row or a paragraph is cut at: nothing found runs over it


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: `original[start:end]` was replaced by `replacement`."""

    start: int
    end: int
    kind: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Deidentified:
    """The text without persons, and what was found in the original, in order, not overlapping."""

    text: str
    found: tuple[Found, ...] = ()


def identity(mode: Mode, vault: Vault | None = None, kinds: Sequence[str] = KINDS) -> str:
    """Return what makes the same bytes give another text: part of the fingerprint of a file. Empty for "off"."""
    if mode == "off":
        return ""
    return f"{mode}{VERSION}|{vault.id if vault is not None and mode == 'pseudonym' else ''}|{','.join(sorted(kinds))}"


def deidentify(
    text: str,
    *,
    mode: Mode,
    vault: Vault | None = None,
    language: str | None = None,
    kinds: Sequence[str] = KINDS,
) -> Deidentified:
    """Replace what identifies a person.

    Args:
        text: what to read; a newline ends a paragraph, item or row.
        mode: "off" returns the text as it is.
        vault: where originals are kept; needed for "pseudonym" alone.
        language: of the placeholders, "en" or "zh"; None: that of the text. Both languages are looked for always.
        kinds: which of `KINDS` to replace.

    Raises:
        SettingsError: an unknown mode or kind, or "pseudonym" without a vault.
    """
    return _Hider(mode, vault, language or detect_language(text), kinds).hide(text)


def deidentify_parsed(
    parsed: Parsed, *, mode: Mode, vault: Vault | None = None, kinds: Sequence[str] = KINDS
) -> Parsed:
    """Replace what identifies a person in a document, with its title, headings, tables, page starts and metadata.

    Offsets point into the new text; the id is that of the new content. A cell whose text was replaced loses its value.

    Raises:
        SettingsError: as `deidentify`.
    """
    document = parsed.document
    hider = _Hider(mode, vault, document.language, kinds)
    if mode == "off":
        return parsed
    hidden = hider.hide(document.text)
    hider.learn(document.text, hidden.found)
    move = _Move(hidden.found)
    text = hidden.text
    headings = tuple(_heading(heading, text, move) for heading in parsed.headings)
    fields = {
        "title": hider.say(document.title),
        "language": document.language,
        "page_starts": tuple(move.start(start) for start in document.page_starts),
        "tables": tuple(_table(table, document.text, text, move, hider) for table in document.tables),
        "metadata": {key: hider.value(key, value) for key, value in document.metadata.items()},
    }
    names = [document.text[found.start : found.end] for found in hidden.found if found.kind == "NAME"]
    told = (_NAMED_FILE,) if _names_a_person(document.source, names) else ()
    return Parsed(Document.of(text, document.source, **fields), headings, (*parsed.notes, *told))


def _names_a_person(source: str, names: Sequence[str]) -> bool:
    """Tell whether the path of a file seems to hold a name or number of a person, or a name found in its text."""
    last = re.sub(r"\.\w{1,8}$", "", re.split(r"[/\\]", source.split("#", 1)[0])[-1]).replace("_", " ")
    plain = f" {_SIGNS.sub(' ', source).casefold()} "
    known = any(_is_in(_SIGNS.sub(" ", name).strip().casefold(), plain) for name in names)
    return known or bool(deidentify(last, mode="mask", kinds=("NAME", "PHONE", "ID_CARD", "EMAIL")).found)


def _is_in(name: str, plain: str) -> bool:
    """Tell whether a name stands in a path, as a whole word; Chinese has no gaps between words."""
    return len(name) > 1 and (name if has_han(name) else f" {name} ") in plain


class _Hider:
    """Finds and replaces in the texts of one document; what was learnt from one text is found in the others."""

    def __init__(self, mode: Mode, vault: Vault | None, language: str, kinds: Sequence[str]) -> None:
        if mode not in ("off", "mask", "pseudonym"):
            raise SettingsError(f"deidentify: the mode must be off, mask or pseudonym, got {mode!r}.")
        if unknown := sorted(set(kinds) - set(KINDS)):
            raise SettingsError(f"deidentify: unknown kinds {unknown}; there are {', '.join(KINDS)}.")
        if mode == "pseudonym" and vault is None:
            raise SettingsError("deidentify: pseudonyms need a vault to be put back from. Name one, or use mask.")
        self.mode, self.vault, self.language, self.kinds = mode, vault, language, frozenset(kinds)
        self.known: dict[str, str] = {}  # original -> kind
        self._said: dict[str, str] = {}
        self._people: set[str] = set()  # identities of full names

    def hide(self, text: str) -> Deidentified:
        """Replace in one text."""
        if self.mode == "off" or not text:
            return Deidentified(text)
        return self._replace(text, _apart(text, self._spans(text)))

    def learn(self, text: str, found: Iterable[Found]) -> None:
        """Remember what was found, and the parts of names, for titles, captions and metadata."""
        for item in found:
            original = text[item.start : item.end]
            self.known[original] = item.kind
            if item.kind == "NAME" and not has_han(original):
                parts = (part.strip(".,") for part in original.split())
                self.known.update((p, "NAME") for p in parts if len(p) > 2 and p.lower() not in words_of("not_names"))

    def say(self, text: str) -> str:
        """Replace in a short text that stands beside the document."""
        if text not in self._said:
            self._said[text] = self.hide(text).text
        return self._said[text]

    def value(self, key: str, value: Scalar) -> Scalar:
        """Replace in a field of metadata; what names a person by its key goes as a whole."""
        if not isinstance(value, str) or not value:
            return value
        if key.lower() in _PERSON_KEYS and "NAME" in self.kinds:
            return self._replace(value, [Span(0, len(value), "NAME")]).text
        return self.say(value)

    def _spans(self, text: str) -> Iterator[Span]:
        found = [span for span in identifiers(text) if span.kind in self.kinds]
        if "NAME" in self.kinds:
            found += english_names(text)
            found += chinese_names(text) if has_han(text) else []
        for original, kind in self.known.items():
            pattern = re.escape(original) if has_han(original) else rf"(?<![^\W_]){re.escape(original)}(?![^\W_])"
            found += [Span(*match.span(), kind) for match in re.finditer(pattern, text)]
        if self.mode == "pseudonym":  # what looks like a placeholder already must come back as it was
            yield from (Span(*match.span(), "TEXT") for match in PLACEHOLDER.finditer(text))
        yield from found

    def _replace(self, text: str, spans: Sequence[Span]) -> Deidentified:
        originals = [(kind, text[start:end]) for start, end, kind in spans]
        places: list[tuple[int, int] | None] = [None] * len(spans)
        if self.mode == "pseudonym" and self.vault is not None and originals:
            names = {identity_of(kind, original) for kind, original in originals if kind == "NAME"}
            self._people |= {name for name in names if " " in name}
            places = list(self.vault.places([(kind, self._identity(kind, o), o) for kind, o in originals]))
        found, parts, at = [], [], 0
        for (start, end, kind), (_, original), place in zip(spans, originals, places, strict=True):
            year = _YEAR.search(original) if kind in ("DATE", "BIRTH_DATE") else None
            told = placeholder(kind, self.language, place, year.group() if year else "")
            found.append(Found(start, end, kind, told))
            parts += [text[at:start], told]
            at = end
        return Deidentified("".join([*parts, text[at:]]), tuple(found))

    def _identity(self, kind: str, original: str) -> str:
        """Return who it is: part of a name is the one person of this document whose name holds it, if there is one."""
        own = identity_of(kind, original)
        if kind != "NAME" or " " in own or has_han(original):
            return own
        whole = {name for name in self._people if own in name.split()}
        return whole.pop() if len(whole) == 1 else own


def _apart(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return spans that do not overlap, in order: those that do are joined under the first kind yielded."""
    cut: list[tuple[int, int, int, str]] = []
    for rank, (start, end, kind) in enumerate(spans):
        for match in [*_EDGE.finditer(text, start, end), None]:
            stop = match.start() if match else end
            body = text[start:stop]
            left = start + len(body) - len(body.lstrip())
            if body.strip():
                cut.append((left, left + len(body.strip()), rank, kind))
            start = match.end() if match else end
    joined: list[tuple[int, int, int, str]] = []
    for start, end, rank, kind in sorted(cut):
        if joined and start < joined[-1][1]:
            a, b, r, k = joined[-1]
            joined[-1] = (a, max(b, end), min(r, rank), kind if rank < r else k)
        else:
            joined.append((start, end, rank, kind))
    return [Span(start, end, kind) for start, end, _, kind in joined]


class _Move:
    """Where a place of the old text lies in the new one."""

    def __init__(self, found: Sequence[Found]) -> None:
        self._found = found
        self._starts = [item.start for item in found]
        self._gain = [0]
        for item in found:
            self._gain.append(self._gain[-1] + len(item.replacement) - (item.end - item.start))

    def start(self, at: int) -> int:
        """Move a beginning: one inside of what was replaced goes to the replacement's beginning."""
        i = bisect_right(self._starts, at)
        if i and at < self._found[i - 1].end:
            return self._found[i - 1].start + self._gain[i - 1]
        return at + self._gain[i]

    def end(self, at: int) -> int:
        """Move an end: one inside of what was replaced goes to the replacement's end."""
        i = bisect_right(self._starts, at - 1) if at else 0
        if i and at <= self._found[i - 1].end:
            return self._found[i - 1].end + self._gain[i]
        return at + self._gain[i]


def _heading(heading: Heading, text: str, move: _Move) -> Heading:
    start, end = move.start(heading.start), move.end(heading.end)
    return Heading(start, end, heading.level, text[start:end])


def _table(table: Table, old: str, new: str, move: _Move, hider: _Hider) -> Table:
    changes: dict[str, Any] = {
        "caption": hider.say(table.caption),
        "rows": tuple(tuple(_cell(cell, old, new, move, hider) for cell in row) for row in table.rows),
        "periods": tuple(period and hider.say(period) for period in table.periods),
        "start": move.start(table.start),
        "end": move.end(table.end),
    }
    return replace(table, **changes)


def _cell(cell: Cell, old: str, new: str, move: _Move, hider: _Hider) -> Cell:
    """Move a cell; one of the header, which has no place of its own in the text, is replaced by itself."""
    start = move.start(cell.start)
    written = cell.end > cell.start and old[cell.start : cell.end] == cell.text
    end = move.end(cell.end) if cell.end > cell.start else start
    text = new[start:end] if written else hider.say(cell.text)
    same = text == cell.text
    period = cell.period and hider.say(cell.period)
    return replace(cell, text=text, value=cell.value if same else None, period=period, start=start, end=end)
