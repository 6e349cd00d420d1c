"""Which quantities of a claim do the passages hold: as printed, rounded, in words, in another unit, or computed.

A figure computed from the passages is accepted only where the claim says that it is one (a change, a sum, a ratio) and
two figures of one line give it. Longer computations are not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import permutations

from rag.numbers import Quantity, find_quantities, find_scale, rounds_to
from rag.support import Line, coverage, row_parts, term_set

CLOSE = 0.7  # share of the claim's words a line must hold for a differing figure to contradict it
SAME = 0.9  # the same for a turned negation, and from where a figure must stand in that very line
BESIDE = 0.15  # lines this near to the best one are read with it
_OWN_SCALE = re.compile(r"per[ -]|%|percent|ratio|rate|margin|number of|shares|每股|率|比例|占比|股数|人数", re.I)
_CELL_VALUE = re.compile(r"[:：]\s*\S.*$")
_WORDS = "one 一|two 二 两|three 三|four 四|five 五|six 六|seven 七|eight 八|nine 九|ten 十|eleven 十一|twelve 十二"
_WORDS_OF = dict(enumerate(_WORDS.split("|"), 1)) | {20: "twenty 二十", 100: "hundred 百", 1000: "thousand 千"}
_SPLIT = re.compile(r"[,.]")
_PRINTED = re.compile(r"\d[\d,]*(?:\.(\d+))?")
_COMPUTED = re.compile(
    r"\b(?:percentage|difference|change|increas|decreas|grew|growth|declin|drop|rose|fell|reduc|total|combined|sum|ratio|"
    r"margin|average|mean|portion|proportion|share|times)|差|变化|变动|增|减|升|降|合计|总|占|比|平均|倍",
    re.I,
)
_OPERANDS = 14  # figures of one line that are tried in pairs
_LINES = 3  # lines nearest to the claim whose figures are


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
    stated = [q for q in find_quantities(claim) if q.unit != "date"]  # whole dates are compared as dates
    if not stated or not near:
        return stated
    best = shares[near[0].text]
    strict = best >= (CLOSE if near[0].kind == "row" else SAME)
    where = [line for line in near if shares[line.text] >= best - BESIDE] if strict else near
    said = term_set(claim)
    present = [q for line in where for q in _quantities(line, said)]
    spoken = frozenset(word for line in where for word in line.text.lower().split())
    lost = [q for q in stated if not any(_agree(q, p) for p in present) and not _in_words(q, spoken, where)]
    lost = [q for q in lost if not _torn(q, where)]
    if not lost or not _COMPUTED.search(claim):
        return lost
    made = [value for line in near[:_LINES] for value in _computed(line)]
    return [q for q in lost if not _is_computed(q, made)]


def _quantities(line: Line, said: frozenset[str]) -> list[Quantity]:
    """Return the quantities of a line; of a row those in the columns the claim names, in the scale of its caption."""
    if line.kind != "row":
        return _stated(line.text)
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


@lru_cache(maxsize=4096)
def _stated(text: str) -> list[Quantity]:
    return find_quantities(text)


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


def _torn(quantity: Quantity, where: Sequence[Line]) -> bool:
    """Tell whether the figure stands there with a space inside, as torn text has it: "3, 700", "31. 8 million"."""
    printed = _PRINTED.search(quantity.text)
    if printed is None or not _SPLIT.search(printed.group()):
        return False
    loose = re.compile(r"(?<![\d.,])" + _SPLIT.sub(r"\\s?[,.]\\s?", printed.group()) + r"(?!\d)")
    return any(" " in found.group() for line in where for found in loose.finditer(line.text))


def _computed(line: Line) -> Iterator[float]:
    """Yield sums, differences, ratios and changes in percent of each two amounts of a line."""
    found = _stated(line.text)
    amounts = [float(q.amount) for q in found if q.unit not in ("year", "date", "day", "month") and not _is_small(q)]
    for a, b in permutations(amounts[:_OPERANDS], 2):
        yield from (a - b, a + b)
        if b:
            yield from ((a - b) / b * 100, a / b * 100, a / b)


def _is_small(quantity: Quantity) -> bool:
    """Tell whether it may be a day or a note's number: two such give almost any small figure."""
    return quantity.unit is None and quantity.scale == 1 and quantity.value == int(quantity.value) <= 31


def _is_computed(quantity: Quantity, made: Sequence[float]) -> bool:
    """Tell whether one of the results is the quantity to the digits it prints, in whatever scale the line is in."""
    printed = _PRINTED.search(quantity.text)
    step = 10.0 ** -len(printed[1] or "" if printed else "") * quantity.scale
    value, scales = abs(float(quantity.amount)), (1.0,) if quantity.unit else (1.0, 1e3, 1e6)
    return any(abs(abs(result) * scale - value) < step for result in made for scale in scales)
