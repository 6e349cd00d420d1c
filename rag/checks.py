"""What of a claim can be checked word for word: numbers with unit and scale, dates, names, negation.

Each finding names the part of the claim the passages do not bear out. It does not add numbers up, know that two names
mean one thing (but for the initials of a name), or follow negation across clauses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rag.language import HAN, han_names, has_han
from rag.numbers import Quantity, find_quantities, find_scale, rounds_to
from rag.support import Line, coverage, row_parts, term_set, weight

Kind = Literal["number", "date", "name", "negation"]
CLOSE = 0.7  # share of the claim's words a line must hold for a differing figure to contradict it
SAME = 0.9  # the same for a turned negation, and from where a figure must stand in that very line
_BESIDE = 0.15  # lines this near to the best one are read with it

_NEGATED = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|can't|isn't|aren't|wasn't|weren't|doesn't|don't|didn't|won't|"
    r"fail(?:s|ed)?|lack(?:s|ed)?|unable|absence)\b|不|没有?|未|无|非(?=[^常])|否",
    re.IGNORECASE,
)
_OWN_SCALE = re.compile(r"per[ -]|%|percent|ratio|rate|margin|number of|shares|每股|率|比例|占比|股数|人数", re.I)
_CELL_VALUE = re.compile(r"[:：]\s*\S.*$")
_WORDS = "one 一|two 二 两|three 三|four 四|five 五|six 六|seven 七|eight 八|nine 九|ten 十|eleven 十一|twelve 十二"
_WORDS_OF = dict(enumerate(_WORDS.split("|"), 1)) | {20: "twenty 二十", 100: "hundred 百", 1000: "thousand 千"}

_MONTHS = "jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec"
_MONTH = {name: number for number, name in enumerate(_MONTHS.split(","), 1)}
_NAMED_MONTH = r"(?P<m>jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DATES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"(?<!\d)(?P<y>(?:19|20)\d\d)\s?[-/年]\s?(?P<m>0?[1-9]|1[0-2])(?:\s?[-/月]\s?(?P<d>0?[1-9]|[12]\d|3[01])(?!\d))?",
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
_CAPITAL = re.compile(r"\b[A-Z]")
_PLAIN_START = 3.5  # a first word of the claim this frequent (weight) is no name: every sentence begins with a capital


@dataclass(frozen=True, slots=True)
class Finding:
    """`claim[start:end] == text` is not borne out by the passages."""

    kind: Kind
    start: int
    end: int
    text: str


def affirmed(text: str) -> str:
    """Return the text without its negating words, so that a sentence and its negation share all words."""
    return _NEGATED.sub("", text)


def is_negated(text: str) -> bool:
    """Tell whether the text holds a negating word."""
    return _NEGATED.search(text) is not None


def ascii_figures(text: str) -> str:
    """Return the text with full-width figures and signs made plain."""
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def without(text: str, stated: Sequence[Quantity]) -> str:
    """Return the text with its quantities blanked out: they are compared as quantities, not as words."""
    for quantity in reversed(stated):
        text = f"{text[: quantity.start]} {text[quantity.end :]}"
    return text


def wanted_terms(claim: str) -> frozenset[str]:
    """Return the terms of a claim that are compared as words; all of them where it has nothing but quantities."""
    return term_set(without(claim, find_quantities(claim))) or term_set(claim)


def nearest(claim: str, every: Sequence[Line]) -> tuple[list[Line], dict[str, float]]:
    """Return the lines, those that hold most of the claim's words first, and the share each text holds."""
    wanted = wanted_terms(claim)
    shares = {line.text: coverage(wanted, line.terms) for line in every}
    return sorted(every, key=lambda line: -shares[line.text]), shares


def missing_numbers(claim: str, near: Sequence[Line], shares: dict[str, float]) -> list[Quantity]:
    """Return the quantities of a claim that the lines do not hold, in figures or in words.

    `near` and `shares` as `nearest` gives them. Where a line says the same in the same words, the figure must stand
    in that line or one as near.
    """
    stated = find_quantities(claim)
    if not stated or not near:
        return stated
    best = shares[near[0].text]
    strict = best >= (CLOSE if near[0].kind == "row" else SAME)
    where = [line for line in near if shares[line.text] >= best - _BESIDE] if strict else near
    said = term_set(claim)
    present = [q for line in where for q in _quantities(line, said)]
    spoken = frozenset(word for line in where for word in line.text.lower().split())
    return [q for q in stated if not any(_agree(q, p) for p in present) and not _in_words(q, spoken, where)]


def turned(claim: str, near: Sequence[Line]) -> bool:
    """Tell whether the lines that say what the claim says, negating words aside, are all of the other polarity."""
    plain = affirmed(claim)
    positive = wanted_terms(plain)
    alike = [line for line in near if coverage(positive, term_set(affirmed(line.text))) >= SAME]
    return {is_negated(line.text) != is_negated(claim) for line in alike} == {True}


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
    spans = [*_names(claim)]
    if not spans:
        return [], 0
    whole = "\n".join(texts)
    held, folded = term_set(whole), whole.casefold()
    lost = [(a, b) for a, b in spans if not _is_held(claim[a:b], held, folded, whole)]
    return lost, len(spans)


def findings(claim: str, texts: Sequence[str], every: Sequence[Line]) -> tuple[list[Finding], int]:
    """Return what the passages do not bear out, in order, and how many parts of the claim were checked."""
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


def _names(claim: str) -> Iterable[tuple[int, int]]:
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
        if start == 0 and len(first) > 1 and _frequent(first):
            start += len(first)
            start += len(claim[start:end]) - len(claim[start:end].lstrip())
        if start < end and term_set(claim[start:end]):
            yield start, end


def _frequent(word: str) -> bool:
    return all(weight(term) < _PLAIN_START for term in term_set(word))


def _is_held(name: str, held: frozenset[str], folded: str, whole: str) -> bool:
    if re.search(f"[{HAN}]", name):
        return name in whole
    if term_set(name) <= held or name.casefold() in folded:
        return True
    letters = re.sub(r"[^A-Za-z]", "", name)
    if name.isupper() and len(letters) >= 2:  # WHO: World Health Organization
        return re.search(r"\b" + r"\w*\s+(?:(?:of|the|and|for|in)\s+)*".join(letters), whole) is not None
    initials = "".join(_CAPITAL.findall(name))
    return len(initials) >= 2 and re.search(rf"\b{initials}\b", whole) is not None


def _quantities(line: Line, said: frozenset[str]) -> list[Quantity]:
    """Return the quantities of a line; of a row those in the columns the claim names, in the scale of its caption."""
    if line.kind != "row":
        return find_quantities(line.text)
    caption, label, _ = row_parts(line.text)
    cells = [cell for cell in line.text.split("|") if cell.strip()]
    named = [
        cell
        for cell in cells
        if (name := term_set(_CELL_VALUE.sub("", cell))) != term_set(cell) and name and name <= said
    ]
    text = " | ".join((caption, label, *named)) if named else line.text
    found = find_quantities(text)
    scale, unit, currency = find_scale(caption)
    if scale == 1 and not unit and not currency:
        return found
    bare = [q for q in found if q.unit is None and q.scale == 1]
    scaled = [replace(q, unit=unit, scale=scale, currency=q.currency or currency) for q in bare]
    return scaled + (found if _OWN_SCALE.search(label) else [q for q in found if q not in bare])


def _agree(claim: Quantity, held: Quantity) -> bool:
    """Tell whether the passage's quantity is the claim's, exactly or rounded; a unit left out agrees with any."""
    if rounds_to(claim, held):
        return True
    if claim.unit == "year" and held.unit == "date":
        return claim.value == held.value // 10_000
    loose = not claim.unit or not held.unit
    return loose and not (claim.currency and held.currency) and claim.amount == held.amount


def _in_words(quantity: Quantity, spoken: frozenset[str], every: Sequence[Line]) -> bool:
    words = _WORDS_OF.get(int(quantity.value), "").split() if quantity.value == int(quantity.value) else []
    return any(word in spoken if word.isascii() else any(word in line.text for line in every) for word in words)
