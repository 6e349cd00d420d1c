"""Words that mean the same: drugs, diseases, laboratory values and lines of financial statements, English and Chinese.

The tables are data (`lexicon/*.tsv`, and files of the user's own), one concept a line, four columns split by tabs:

    kind    English names    Chinese names    see also

Names are split by "|", the first one is the plain one. "see also" is looked for, too, with less weight: the lines a
ratio is made of, the statement a line stands in. A name with "?" at its end is ambiguous: it counts only where another
concept of the same file is met. Names with two capitals and at most six letters ("MI", "HbA1c") must be written just
so; all others match by their stems. It does not know grammar, negation or what a word means elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from rag.errors import UserError
from rag.language import HAN, has_han, latin_terms

LEXICON: Final = Path(__file__).parent / "lexicon"
SHIPPED: Final = ("medicine.tsv", "finance.tsv")
SAME: Final = 0.35
"""Factor of the BM25 of another name in the language of the question."""
ACROSS: Final = 0.3
"""The same for the names in the other language: less, so the document in the language asked comes first."""
SEE: Final = 0.25
MOST: Final = 24
"""So many expansions are looked for; a question that names more is clear enough by itself."""
_MOST_WORDS: Final = 6
_MOST_HAN: Final = 14
_TOKEN: Final = re.compile(rf"[^\W_{HAN}](?:[^\s{HAN},;:!?()\[\]\"“”]*[^\W_{HAN}])?")
_SHORT: Final = re.compile(r"(?=(?:.*[A-Z]){2})[A-Za-z0-9&/.+-]{2,6}")


@dataclass(frozen=True, slots=True)
class Concept:
    """One line of a table. `domain` is the name of its file."""

    domain: str
    kind: str
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    see: tuple[str, ...]


_Hit = tuple[int, str, Concept, bool]  # where, as written, what, whether doubtful


@dataclass(frozen=True, slots=True)
class Match:
    """A concept met in a text, by the name as written there."""

    concept: Concept
    written: str


@dataclass(slots=True)
class Terminology:
    """The concepts of some tables, found by their names. Build it once; it is only read afterwards."""

    _latin: dict[tuple[str, ...], list[tuple[Concept, bool]]] = field(default_factory=dict)
    _exact: dict[str, list[tuple[Concept, bool]]] = field(default_factory=dict)
    _han: dict[str, list[tuple[Concept, bool]]] = field(default_factory=dict)
    _firsts: set[tuple[str, ...]] = field(default_factory=set)

    @classmethod
    def load(cls, own: Sequence[Path] = ()) -> Terminology:
        """Read the shipped tables and the user's own files.

        Raises:
            UserError: a file cannot be read, or a line is wrong; with file and line.
        """
        made = cls()
        for path in (*(LEXICON / name for name in SHIPPED), *own):
            for concept in read_concepts(path):
                made._add(concept)
        return made

    def _add(self, concept: Concept) -> None:
        for name in concept.english:
            bare, doubtful = name.removesuffix("?"), name.endswith("?")
            key = _stems(bare)
            self._firsts.add(key[:1])
            if _SHORT.fullmatch(bare):
                self._exact.setdefault(bare, []).append((concept, doubtful))
            elif key:
                self._latin.setdefault(key, []).append((concept, doubtful))
        for name in concept.chinese:
            self._han.setdefault(name.removesuffix("?"), []).append((concept, name.endswith("?")))

    def find(self, text: str) -> list[Match]:
        """Return the concepts a text names, longest names first where they overlap, in the order of the text."""
        met = self._find_latin(text) + (self._find_han(text) if has_han(text) else [])
        sure = {concept.domain for _, _, concept, doubtful in met if not doubtful}
        kept = [(at, Match(concept, name)) for at, name, concept, doubt in met if not doubt or concept.domain in sure]
        return [match for _, match in sorted(kept, key=lambda item: item[0])]

    def _find_latin(self, text: str) -> list[_Hit]:
        tokens = list(_TOKEN.finditer(text))
        stems = [_stems(token.group()) for token in tokens]
        found: list[_Hit] = []
        at = 0
        while at < len(tokens):
            ends = range(min(at + _MOST_WORDS, len(tokens)), at, -1) if stems[at][:1] in self._firsts else ()
            names = ((end, text[tokens[at].start() : tokens[end - 1].end()]) for end in ends if stems[end - 1])
            hits, end = next(((its, e) for e, n in names if (its := self._latin_hits(n, stems[at:e]))), ([], at + 1))
            written = text[tokens[at].start() : tokens[end - 1].end()]
            found += [(tokens[at].start(), written, concept, doubtful) for concept, doubtful in hits]
            at = end
        return found

    def _latin_hits(self, written: str, stems: Sequence[tuple[str, ...]]) -> list[tuple[Concept, bool]]:
        exact = self._exact.get(written) if len(stems) == 1 else None
        return exact or self._latin.get(tuple(stem for part in stems for stem in part), [])

    def _find_han(self, text: str) -> list[_Hit]:
        found: list[_Hit] = []
        at = 0
        while at < len(text):
            longest = min(_MOST_HAN, len(text) - at) if has_han(text[at]) else 0
            names = (text[at : at + length] for length in range(longest, 1, -1))
            written = next((name for name in names if name in self._han), "")
            found += [(at, written, concept, doubtful) for concept, doubtful in self._han.get(written, [])]
            at += len(written) or 1
        return found

    def expand(self, text: str) -> tuple[tuple[str, float], ...]:
        """Return the other names of what a text names, with the factor of their score, best first, at most `MOST`."""
        matches = self.find(text)
        written = {match.written.casefold() for match in matches}
        found: dict[str, float] = {}
        for name, factor in (other for match in matches for other in _others(match)):
            if name.casefold() not in written:
                found[name] = max(factor, found.get(name, 0.0))
        return tuple(sorted(found.items(), key=lambda item: -item[1])[:MOST])


def read_concepts(path: Path) -> Iterable[Concept]:
    """Yield the concepts of a table.

    Raises:
        UserError: the file cannot be read, or a line is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The terms in {path} cannot be read: {error}. Give a UTF-8 file, or remove it.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split("\t")]
        if not 2 <= len(columns) <= 4:
            raise UserError(
                f"{path}:{number}: {len(columns)} columns, but 2 to 4 are wanted, split by tabs: kind, English names, "
                f"Chinese names, see also. Got {line[:60]!r}."
            )
        kind, *names = columns
        english, chinese, see = (tuple(n.strip() for n in c.split("|") if n.strip()) for c in [*names, "", ""][:3])
        wrong = next((name for name in english if has_han(name)), next((n for n in chinese if not has_han(n)), None))
        if wrong or len(english) + len(chinese) + len(see) < 2:
            told = f"{wrong!r} stands in the column of the other language" if wrong else "one name alone says nothing"
            raise UserError(f"{path}:{number}: {told}. English names come second, Chinese ones third.")
        yield Concept(path.name, kind, english, chinese, see)


@lru_cache(maxsize=4096)
def _stems(word: str) -> tuple[str, ...]:
    return tuple(latin_terms(word))


def _others(match: Match) -> list[tuple[str, float]]:
    """Return the names of what was met with their factors; none that is ambiguous."""
    mine, other = match.concept.english, match.concept.chinese
    if has_han(match.written):
        mine, other = other, mine
    given = ((mine, SAME), (other, ACROSS), (match.concept.see, SEE))
    return [(name, factor) for names, factor in given for name in names if not name.endswith("?")]
