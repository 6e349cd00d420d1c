"""Is the figure in an answer the right one? Value, unit, scale and direction together.

It reads what `rag.numbers` reads: figures in digits, no numbers in words ("twelve", "三十"). It does not know which
label a figure belongs to: two right figures under exchanged labels pass. Units of a ratio ("mg/dL") are not converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from eval.overlap import without_markers
from eval.quantities import quantities, same
from rag.language import sentence_spans
from rag.numbers import Quantity, find_scale, same_quantity

REL_TOL = 0.005
"""Half a percent: room for rounding to three digits."""

_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "千": 10**3}
_SCALES |= {"万": 10**4, "百万": 10**6, "千万": 10**7, "亿": 10**8, "万亿": 10**12}
_SHARES = {"percent": {"percent", "permille", "bp"}, "permille": {"percent", "permille", "bp"}}
_SHARES |= {"pp": {"pp", "bp"}, "bp": {"bp", "pp", "percent", "permille"}}
_DATES = frozenset({"year", "date"})

_ALONE = re.compile(r"(?:^|[|:：])\s*\(\s*$")  # "(1,234)" filling a text or a cell is negative; in prose it is an aside
_MINUS = re.compile(r"(?:\b(?:minus|negative)\s+|负)$", re.I)
_LINKS = r"(?:\s*(?:\b(?:by|of|about|approximately|around|nearly|almost|over|some|an?)\b|了|约|近|为|达))*\s*$"
_FALLING = r"\b(?:f[ae]ll(?:s|en|ing)?|de(?:creas|clin)\w+|drop\w*|down)\b|下[降滑跌]|减少|降低"
_RISING = r"\b(?:ris(?:es?|en|ing)|rose|increas\w+|gr[eo]w\w*|up)\b|上[升涨]|增[长加]|提高"
_FELL, _ROSE = (re.compile(f"(?:{words}){_LINKS}", re.I) for words in (_FALLING, _RISING))
_ASKS_FALL = re.compile(r"\b(?:f[ae]ll|de(?:creas|clin)|drop|reduc|los[st]|less|lower|down)|[降减跌亏]", re.I)
_ASKS_DATE = re.compile(r"\b(?:years?|when|dates?|periods?|fiscal)\b|年|何时|日期|时候|时间", re.I)
_BETWEEN = re.compile(  # what stands between the figures of a list; a label may stand before the next one
    r"[\s。.)]*(?:[,;、，；&/\n–~～-]|\b(?:and|to)\b|[和与及至到])\s*(?:[^\d,;，；。]{1,20}[:：]\s*)?[(\s]*"
)
_AROUND = re.compile(r"\s*(?:about|approximately|around|nearly|some|over|约|大约|近|超过)?\s*[(（]?\s*", re.I)
_BEHIND = re.compile(r"\s*[^\W\d]{0,2}\s*[)）.。;；]*\s*")


def numeric_accuracy(
    prediction: str,
    references: Sequence[str],
    *,
    scale: str = "",
    question: str = "",
    figures: Iterable[Mapping[str, Any]] = (),
) -> float | None:
    """Return 1 where the answer's figure is the reference's, 0 where it is not, None where no reference has a figure.

    The answer's figure is the first one of the reference's kind (share, date, money, measured, any; a bare number is
    money only beside no other) that the question does not already name, or, where an answer works it out, the last one
    of a later sentence that is no table row: numbers with the right one somewhere among them are not right. On 320
    model answers to FinanceBench judged by people (dev half) this has a balanced accuracy of 0.92, the first figure
    alone 0.72; the rule was chosen there.

    It is compared with scale and unit within `REL_TOL` (0.5 %; dates exactly): $1.5 billion = 1,500 million USD =
    15亿美元, 1.5 million is wrong, and so is a bare 1.5; of a ratio, 2.5 is 2.5x. A unit or currency that the reference
    leaves open agrees with any but a share. A figure that merely rounds to the reference (0.664 for 0.66) is beyond the
    tolerance. 12.5 % is 1,250 basis points, but neither 0.125 nor 12.5 percentage points. An unsigned figure may mean a
    negative reference ("fell by 5 %") unless the text says that it rose; a printed minus sign must be right, and "fell
    by 5 %" is not +5 % unless the question asks for a fall.

    A reference that is a list of figures ("73,260 and 57,768"; "费用：5元；税金：2元") is judged by all of them: as
    many different figures of the answer, from its first one on, must be these, in any order. In other references with
    several figures the first counts that is not a date.

    Args:
        prediction: the answer.
        references: right answers, any of them.
        scale: what reference numbers are in: "thousand", "million", …, "percent"; "raw…": a share may be a fraction.
        question: its figures are passed over; a scale it asks for ("in USD millions") may be left out by the answer.
        figures: figures of the answer that were traced to a cell: {"start", "value", "unit", "scale"}, offsets in
            `prediction`; a scale found there completes a bare number.
    """
    wanted = [targets for text in references if (targets := _targets(text, scale, question))]
    if not wanted:
        return None
    traced = {int(figure["start"]): figure for figure in figures}
    text = prediction if traced else without_markers(prediction)
    found = [_completed(_signed(text, quantity), traced.get(quantity.start)) for quantity in quantities(text)]
    if not found:
        return 0.0
    falls = bool(_ASKS_FALL.search(question))
    turned = {quantity.start: 0 if quantity.value < 0 else _direction(text, quantity, falls) for quantity in found}
    named = quantities(question)
    fresh = [[q for q in found if not _named(q, named, targets, turned)] or found for targets in wanted]
    return float(any(_right(text, ours, targets, turned) for ours, targets in zip(fresh, wanted, strict=True)))


def is_figure(text: str) -> bool:
    """Tell whether a text is a figure, or a list of figures, and nothing else; a bare date or year is none."""
    found = quantities(without_markers(text).strip())
    if not found or any(quantity.unit in _DATES for quantity in found):
        return False
    plain = without_markers(text).strip()
    if not _AROUND.fullmatch(plain, 0, found[0].start) or not _BEHIND.fullmatch(plain, found[-1].end):
        return False
    return len(found) == 1 or _is_list(plain, found)


Forms = list[Quantity]  # the ways in which one figure of a reference may be stated


def _targets(text: str, scale: str, question: str) -> list[Forms]:
    """Return the forms of each figure of a reference that an answer must give."""
    found = [_signed(text, quantity) for quantity in quantities(text)]
    if not found:
        return []
    amounts = [quantity for quantity in found if quantity.unit not in _DATES] or found
    chosen = amounts if len(amounts) > 1 and _is_list(text, amounts) else amounts[:1]
    return [_forms(quantity, scale, question) for quantity in chosen]


def _forms(quantity: Quantity, scale: str, question: str) -> Forms:
    bare = replace(quantity, unit=None) if quantity.unit == "year" else quantity
    if scale == "percent" and bare.unit is None:
        return [replace(bare, unit="percent")]
    if scale.startswith("raw"):
        return [quantity, replace(quantity, value=quantity.value * 100, unit="percent")]
    if quantity.scale == 1 and scale in _SCALES:
        return [replace(bare, scale=_SCALES[scale])]
    if quantity.unit == "year" and question and not _ASKS_DATE.search(question):
        return [bare, quantity]
    asked = find_scale(question)[0] if quantity.unit is None else 1
    return [quantity, replace(quantity, scale=asked)] if quantity.scale == 1 and asked != 1 else [quantity]


def _is_list(text: str, found: Sequence[Quantity]) -> bool:
    gaps = ((left.end, right.start) for left, right in pairwise(found))
    return all(_BETWEEN.fullmatch(text, start, end) for start, end in gaps)


def _signed(text: str, quantity: Quantity) -> Quantity:
    """Give a figure the sign that stands around it: "minus 5", "负5", "(1,234)" alone in a text or a cell."""
    before = text[max(0, quantity.start - 12) : quantity.start]
    enclosed = text.startswith(")", quantity.end) and _ALONE.search(before)
    if quantity.value <= 0 or not (enclosed or _MINUS.search(before)):
        return quantity
    share = enclosed and quantity.unit is None and text.startswith(")%", quantity.end)
    return replace(quantity, value=-quantity.value, unit="percent" if share else quantity.unit)


def _direction(text: str, quantity: Quantity, asked: bool) -> int:
    """Return -1 or 1 where the words before a figure say that it fell or rose, else 0; `asked`: a fall is asked for."""
    if quantity.text.lstrip().startswith("+"):
        return 1
    before = text[max(0, quantity.start - 48) : quantity.start]
    if _FELL.search(before):
        return 0 if asked else -1
    return int(bool(_ROSE.search(before)))


def _completed(quantity: Quantity, figure: Mapping[str, Any] | None) -> Quantity:
    if figure is None or quantity.scale != 1:
        return quantity
    unit = quantity.unit or figure.get("unit")
    return replace(quantity, scale=int(figure.get("scale") or 1), unit=unit)


def _named(ours: Quantity, named: Sequence[Quantity], targets: Sequence[Forms], turned: Mapping[int, int]) -> bool:
    """Tell whether a figure only repeats the question."""
    repeats = any(same_quantity(ours, other) for other in named)
    return repeats and not any(_equal(ours, form, turned) for forms in targets for form in forms)


def _right(text: str, found: Sequence[Quantity], targets: Sequence[Forms], turned: Mapping[int, int]) -> bool:
    """Tell whether the answer's figures that are comparable to the targets are the targets."""
    if len(targets) == 1:
        judged = [_states(text, kin, form, turned) for form in targets[0] if (kin := _kin(found, form))]
        either = (
            targets[0][-1].unit not in _DATES
        )  # what may be a year is one only where the answer has no other figure
        return any(judged if either else judged[:1])
    kin = [ours for forms in targets for form in forms for ours in _kin(found, form)]
    pool: list[Quantity] = []
    for ours in found:
        if ours in kin and not any(same_quantity(ours, other) for other in pool):
            pool.append(ours)
    return all(any(_equal(ours, form, turned) for ours in pool[: len(targets)] for form in forms) for forms in targets)


def _states(text: str, kin: Sequence[Quantity], target: Quantity, turned: Mapping[int, int]) -> bool:
    """Tell whether the first figure is the target, or the one that a later sentence ends with."""
    if _equal(kin[0], target, turned):
        return True
    if not _equal(kin[-1], target, turned):
        return False
    spans = sentence_spans(text)
    first, last = (next((s for s in spans if s[0] <= q.start < s[1]), (0, 0)) for q in (kin[0], kin[-1]))
    return first != last and "|" not in text[slice(*last)]


def _kin(found: Sequence[Quantity], target: Quantity) -> list[Quantity]:
    """Return the comparable figures; bare numbers are money or a ratio only where no figure of the answer says so."""
    kin = [ours for ours in found if _comparable(ours, target)]
    if target.unit == "times":
        return [ours for ours in kin if ours.unit] or kin
    return [ours for ours in kin if ours.currency] or kin if target.currency else kin


def _comparable(ours: Quantity, target: Quantity) -> bool:
    """Tell whether a figure is of the kind asked for: a share, a date, money, something measured, any amount."""
    if target.unit in _SHARES:
        return ours.unit in _SHARES[target.unit]
    if target.unit in _DATES:
        return ours.unit in _DATES
    if ours.unit in _SHARES or ours.unit in _DATES:
        return False
    if target.unit == "times":
        return ours.unit == "times" or (ours.unit is None and ours.currency is None and ours.scale == 1)
    if target.currency:
        return ours.currency is not None or ours.unit is None
    return target.unit is None or ours.unit is not None


def _equal(ours: Quantity, target: Quantity, turned: Mapping[int, int]) -> bool:
    if not _comparable(ours, target):
        return False
    if target.unit in _DATES:
        return target.value in (ours.value, ours.value // 10_000 if ours.unit == "date" else None)
    direction = turned.get(ours.start, 0)
    if target.value < 0 <= ours.value and direction <= 0:
        ours = replace(ours, value=-ours.value)
    elif target.value > 0 and direction < 0:
        return False
    if target.unit is None or (target.unit == "times" and ours.unit is None):
        ours = replace(ours, unit=target.unit)
    elif "bp" in (ours.unit, target.unit) and "pp" not in (ours.unit, target.unit):
        ours, target = _in_percent(ours), _in_percent(target)
    if ours.value == target.value == Decimal(0):
        return ours.unit == target.unit
    return same(ours, target, REL_TOL)


def _in_percent(quantity: Quantity) -> Quantity:
    """Return a share in percent: a basis point is a hundredth of it."""
    return replace(quantity, value=quantity.value / 100, unit="percent") if quantity.unit == "bp" else quantity
