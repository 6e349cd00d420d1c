"""Is the figure in an answer the right one? Value, unit and scale together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from eval.overlap import without_markers
from rag.numbers import Quantity, find_quantities, find_scale, same_quantity

REL_TOL = 0.005
"""Half a percent: room for rounding to three digits."""

_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "千": 10**3}
_SCALES |= {"万": 10**4, "百万": 10**6, "亿": 10**8}
_SHARES = frozenset({"percent", "permille", "pp", "bp"})
_DATES = frozenset({"year", "date"})


def numeric_accuracy(
    prediction: str,
    references: Sequence[str],
    *,
    scale: str = "",
    question: str = "",
    figures: Iterable[Mapping[str, Any]] = (),
) -> float | None:
    """Return 1 where the answer's figure is the reference's, 0 where it is not, None where no reference has a figure.

    The answer's figure is the first one of the reference's kind (share, date, money, measured, any) that the question
    does not already name: a list of numbers with the right one somewhere in it is not right. It is compared with scale
    and unit within `REL_TOL` (0.5 %): $1.5 billion = 1,500 million USD = 15亿美元, 1.5 million is wrong, and so
    is a bare 1.5. A unit or currency that the reference leaves open agrees with any but a share. An unsigned figure may
    mean a negative reference ("fell by 5 %"); a printed minus sign must be right.

    Args:
        prediction: the answer.
        references: right answers; the first figure of each that is not a date counts, or its date if it has no other.
        scale: what reference numbers are in: "thousand", "million", …, "percent"; "raw…": a share may be a fraction.
        question: its figures are passed over; a scale it asks for ("in USD millions") may be left out by the answer.
        figures: figures of the answer that were traced to a cell: {"start", "value", "unit", "scale"}, offsets in
            `prediction`; a scale found there completes a bare number.
    """
    wanted = [form for text in references for form in _reference(text, scale, question)]
    if not wanted:
        return None
    traced = {int(figure["start"]): figure for figure in figures}
    found = [_completed(quantity, traced.get(quantity.start)) for quantity in find_quantities(prediction)]
    if not traced:
        found = find_quantities(without_markers(prediction))
    named = find_quantities(question)
    fresh = [q for q in found if not any(same_quantity(q, other) for other in named)] or found
    for target in wanted:
        first = next((quantity for quantity in fresh if _comparable(quantity, target)), None)
        if first is not None and _equal(first, target):
            return 1.0
    return 0.0


def _reference(text: str, scale: str, question: str) -> list[Quantity]:
    """Return the forms in which the figure of a reference may be stated."""
    found = find_quantities(text)
    if not found:
        return []
    first = next((quantity for quantity in found if quantity.unit not in _DATES), found[0])
    if scale == "percent" and first.unit is None:
        return [replace(first, unit="percent")]
    if scale.startswith("raw"):
        return [first, replace(first, value=first.value * 100, unit="percent")]
    if first.scale == 1 and scale in _SCALES:
        return [replace(first, scale=_SCALES[scale], unit=None if first.unit == "year" else first.unit)]
    asked = find_scale(question)[0]
    return [first, replace(first, scale=asked)] if first.scale == 1 and asked != 1 else [first]


def _completed(quantity: Quantity, figure: Mapping[str, Any] | None) -> Quantity:
    if figure is None or quantity.scale != 1:
        return quantity
    unit = quantity.unit or figure.get("unit")
    return replace(quantity, scale=int(figure.get("scale") or 1), unit=unit)


def _kind(quantity: Quantity) -> str:
    if quantity.unit in _SHARES:
        return "share"
    return "date" if quantity.unit in _DATES else "amount"


def _comparable(ours: Quantity, target: Quantity) -> bool:
    """Tell whether a figure is of the kind asked for: a share, a date, money, something measured, any amount."""
    if _kind(ours) != _kind(target) or _kind(target) != "amount":
        return _kind(ours) == _kind(target)
    if target.currency:
        return ours.currency is not None or ours.unit is None
    return target.unit is None or ours.unit is not None


def _equal(ours: Quantity, target: Quantity) -> bool:
    if target.value < 0 <= ours.value and not ours.text.lstrip().startswith("+"):
        ours = replace(ours, value=-ours.value)
    if target.unit is None:
        ours = replace(ours, unit=None)
    if ours.value == target.value == Decimal(0):
        return ours.unit == target.unit
    return same_quantity(ours, target, REL_TOL)
