"""The figures of a text as a question about them means them: `rag.numbers`, and what takes a sentence to see.

A day of the calendar is one date, however it is written ("March 3, 2021", "3 Mar 2021", "2021年3月3日"); the first end
of "between 5 and 10 mg" has the unit of the second; spans of time compare across their units (2 weeks = 14 days, 1 year
= 12 months, but a month is no number of days).
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from rag.numbers import Quantity, find_quantities, same_quantity

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<m>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|"
_MONTH += r"Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
_DAY, _YEAR = r"(?P<d>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?", r"(?P<y>(?:19|20)\d\d)(?!\d)"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_MONTH}\s*{_DAY}\s*,?\s*(?<=[\s,]){_YEAR}",
        rf"(?<![\d.]){_DAY}\s+(?:of\s+)?{_MONTH}\s*,?\s*(?<=[\s,.]){_YEAR}",
        r"(?<!\d)(?P<y>(?:19|20)\d\d)\s*年\s*(?P<m>1[0-2]|0?[1-9])\s*月\s*(?P<d>3[01]|[12]\d|0?[1-9])\s*[日号]",
    )
)
_BETWEEN = re.compile(r"(?:\bbetween|介于|在)\s*$", re.IGNORECASE)
_AND = re.compile(r"\s*(?:\band\b|和|与)\s*", re.IGNORECASE)
_SPANS = {"seconds": ("seconds", 1), "minutes": ("seconds", 60), "hours": ("seconds", 3600)}
_SPANS |= {
    "days": ("seconds", 86_400),
    "weeks": ("seconds", 7 * 86_400),
    "months": ("months", 1),
    "years": ("months", 12),
}


@lru_cache(maxsize=256)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the figures of a text in order, without overlap; a calendar day has the unit "date", value YYYYMMDD."""
    days = [_day(found) for pattern in _DATES for found in pattern.finditer(text)]
    rest = [q for q in find_quantities(text) if all(q.end <= day.start or day.end <= q.start for day in days)]
    found = sorted([*days, *rest], key=lambda quantity: quantity.start)
    for at, (left, right) in enumerate(pairwise(found)):
        bare = left.unit is None and left.currency is None and left.scale == 1
        joined = _AND.fullmatch(text, left.end, right.start) and _BETWEEN.search(
            text[max(0, left.start - 12) : left.start]
        )
        if bare and joined and right.unit not in ("year", "date"):
            found[at] = replace(left, unit=right.unit, scale=right.scale, currency=right.currency)
    return tuple(found)


def same(a: Quantity, b: Quantity, rel_tol: float) -> bool:
    """Tell whether two figures are the same amount, spans of time across their units."""
    return same_quantity(_span(a), _span(b), rel_tol)


def _day(found: re.Match[str]) -> Quantity:
    month = found["m"]
    number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
    value = Decimal(int(found["y"]) * 10_000 + number * 100 + int(found["d"]))
    return Quantity(found.start(), found.end(), found.group(), value, "date")


def _span(quantity: Quantity) -> Quantity:
    unit, factor = _SPANS.get(quantity.unit or "", (quantity.unit, 1))
    return quantity if unit == quantity.unit else replace(quantity, unit=unit, value=quantity.value * factor)
