"""What of a claim can be checked word for word: numbers with unit and scale, dates, names, negation.

Each finding names the part of the claim the passages do not bear out. It does not add numbers up, know that two names
mean one thing (but for the initials of a name), or follow negation across clauses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.amounts import CLOSE, SAME, missing_numbers, nearest, wanted_terms
from rag.language import HAN, han_names, has_han
from rag.numbers import find_quantities
from rag.support import Line, coverage, term_set, weight

Kind = Literal["number", "date", "name", "negation"]

_NEGATED = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|can't|isn't|aren't|wasn't|weren't|doesn't|don't|didn't|won't|"
    r"fail(?:s|ed)?|lack(?:s|ed)?|unable|absence)\b|不|没有?|未|无|非(?=[^常])|否",
    re.IGNORECASE,
)

_MONTHS = "jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec"
_MONTH = {name: number for number, name in enumerate(_MONTHS.split(","), 1)}
_NAMED_MONTH = r"(?P<m>jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DATES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"(?<!\d)(?P<y>(?:19|20)\d\d)\s?[-/年]\s?(?P<m>0?[1-9]|1[0-2])(?:\s?[-/月]\s?(?P<d>[12]\d|3[01]|0?[1-9])[日号]?(?!\d))?",
        r"(?<!\d)(?P<m>0?[1-9]|1[0-2])月(?P<d>0?[1-9]|[12]\d|3[01])[日号]",
        rf"\b{_NAMED_MONTH}\s+(?P<d>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?\b(?:,?\s+(?P<y>(?:19|20)\d\d)\b)?",
        rf"\b(?P<d>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?\s+(?:of\s+)?{_NAMED_MONTH}\b(?:,?\s+(?P<y>(?:19|20)\d\d)\b)?",
        rf"\b{_NAMED_MONTH},?\s+(?P<y>(?:19|20)\d\d)\b",
    )
)
_NAME = re.compile(
    r"\b[A-Z][a-z]?\.\s[a-z]{3,}\b"  # E. coli
    r"|\b[A-Z][\w'’&-]*(?:\s+(?:(?:of|the|de|van|von|del|da|di|al|bin)\s+){0,2}[A-Z][\w'’&-]*)*"
)
_LATIN_IN_HAN = re.compile(r"[A-Za-z][A-Za-z0-9-]+")
_INITIAL = re.compile(r"\b[A-Z]")
_CAPITAL = re.compile(r"[A-Z0-9]")
_BEGINS = re.compile(r"(?:\A|[.:;!?•*-]\s|[\"“(])\s*\Z")
_LIKELY = 0.5  # below this not even a line without its negating words holds the claim
_PLAIN_START = 3.5  # a first word of the claim this frequent (weight) is no name: every sentence begins with a capital


_MARKER = re.compile(  # of an answer, not of what it says: [3], [1, 2], (Passage 2), "4." before an item of a list
    r"\[\s*\d+(?:\s*[,;，、–-]\s*\d+)*\s*\]|【\d+】|\^\d+\b"
    r"|\(?\b(?:according to |see |in )?passages?\s+\d+(?:\s*(?:,|and|&|to|-)\s*(?:passages?\s+)?\d+)*\)?"
    r"|段落\s*\d+|\A\s*(?:\d{1,2}[.)、）]|[(（]\d{1,2}[)）])(?=\s*\D)|https?://\S+",
    re.I,
)
_DASH = re.compile(r"(?<=\d)(\s+)-(\s+)(?=\d)")  # "6 - 1": no minus


@dataclass(frozen=True, slots=True)
class Finding:
    """`claim[start:end] == text` is not borne out by the passages."""

    kind: Kind
    start: int
    end: int
    text: str


def said(claim: str) -> str:
    """Return the claim with markers of citations and lists blanked out; offsets stay what they are."""
    bare = _MARKER.sub(lambda found: " " * len(found.group()), claim)
    return _DASH.sub(r"\1–\2", bare) if bare.strip() else claim


def affirmed(text: str) -> str:
    """Return the text without its negating words, so that a sentence and its negation share all words."""
    return _NEGATED.sub("", text)


def is_negated(text: str) -> bool:
    """Tell whether the text holds a negating word."""
    return _NEGATED.search(text) is not None


def ascii_figures(text: str) -> str:
    """Return the text with full-width figures and signs made plain."""
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def turned(claim: str, near: Sequence[Line]) -> bool:
    """Tell whether the lines that say what the claim says, negating words aside, are all of the other polarity."""
    positive = wanted_terms(affirmed(claim))
    alike = [line for line in near if coverage(positive, line.terms) >= _LIKELY and _says(line.text, positive)]
    return {is_negated(line.text) != is_negated(claim) for line in alike} == {True}


def _says(text: str, positive: frozenset[str]) -> bool:
    """Tell whether the line holds the claim and little more: a negating word of another clause turns nothing."""
    line = wanted_terms(affirmed(text))
    return coverage(positive, line) >= SAME and coverage(line, positive) >= CLOSE


def missing_dates(claim: str, texts: Iterable[str]) -> list[re.Match[str]]:
    """Return the dates of a claim (day or month known, not a bare year) that no text holds, whatever way printed.

    A date that leaves out the year, or the day, agrees with one that has it.
    """
    stated = list(_dates(claim))
    if not stated:
        return []
    held = {parts for text in texts for _, parts in _dates(text)}
    return [
        found
        for found, parts in stated
        if not any(all(a is None or b is None or a == b for a, b in zip(parts, other, strict=True)) for other in held)
    ]


def missing_names(claim: str, texts: Sequence[str]) -> tuple[list[tuple[int, int]], int]:
    """Return the spans of the claim's names that no text holds, and how many names the claim has."""
    spans = [*name_spans(claim)]
    if not spans:
        return [], 0
    whole = "\n".join(texts)
    held, folded = term_set(whole), whole.casefold()
    lost = [(a, b) for a, b in spans if not _is_held(claim[a:b], held, folded, whole)]
    return lost, len(spans)


def findings(claim: str, texts: Sequence[str], every: Sequence[Line]) -> tuple[list[Finding], int]:
    """Return what the passages do not bear out, in order, and how many parts of the claim were checked."""
    claim = said(claim)
    near, shares = nearest(claim, every)
    stated = find_quantities(claim)
    dates = missing_dates(claim, texts)
    names, count = missing_names(claim, texts)
    found = [Finding("number", q.start, q.end, q.text) for q in missing_numbers(claim, near, shares)]
    found += [Finding("date", m.start(), m.end(), m.group()) for m in dates]
    found += [Finding("name", a, b, claim[a:b]) for a, b in names]
    if turned(claim, near):
        word = _NEGATED.search(claim)
        start, end = word.span() if word else (0, len(claim))
        found.append(Finding("negation", start, end, claim[start:end]))
    checked = len(stated) + sum(1 for _ in _dates(claim)) + count
    return sorted(found, key=lambda one: (one.start, one.end)), checked


def _dates(text: str) -> Iterable[tuple[re.Match[str], tuple[int | None, ...]]]:
    """Yield each date with (year, month, day); a longer reading hides the shorter ones inside it."""
    taken: list[tuple[int, int]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            parts = match.groupdict()
            month = parts["m"].lower()
            number = int(month) if month.isdigit() else _MONTH[month[:3]]
            year, day = parts.get("y"), parts.get("d")
            taken.append(match.span())
            yield match, (int(year) if year else None, number, int(day) if day else None)


def name_spans(claim: str) -> Iterable[tuple[int, int]]:
    """Yield the spans of names: capitalised, Latin binomials, initials; in Chinese those the dictionary knows."""
    if has_han(claim):
        at = 0
        for name in han_names(claim):
            start = claim.find(name, at)
            if start >= 0:
                at = start + len(name)
                yield start, at
        yield from (match.span() for match in _LATIN_IN_HAN.finditer(claim))
        return
    for match in _NAME.finditer(claim):
        start, end = match.span()
        first = match.group().split()[0]
        if _BEGINS.search(claim, 0, start) and _is_plain(first, alone=first == match.group()):
            start += len(first)
            start += len(claim[start:end]) - len(claim[start:end].lstrip())
        if start < end and term_set(claim[start:end]):
            yield start, end


def _is_plain(first: str, *, alone: bool) -> bool:
    """Tell whether the first word of a sentence is no name: one by itself, or a frequent one before a name."""
    if len(_CAPITAL.findall(first)) > 1 or first.endswith(("'s", "’s")):
        return False
    return alone or all(weight(term) < _PLAIN_START for term in term_set(first))


def _is_held(name: str, held: frozenset[str], folded: str, whole: str) -> bool:
    if re.search(f"[{HAN}]", name):
        return name in whole
    if term_set(name) <= held or name.casefold() in folded:
        return True
    letters = re.sub(r"[^A-Za-z]", "", name)
    if name.isupper() and len(letters) >= 2:  # WHO: World Health Organization
        return re.search(r"\b" + r"\w*\s+(?:(?:of|the|and|for|in)\s+)*".join(letters), whole) is not None
    initials = "".join(_INITIAL.findall(name))
    return len(initials) >= 2 and re.search(rf"\b{initials}\b", whole) is not None
