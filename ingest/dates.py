"""Dates as documents print them, in English and Chinese, to ISO dates.

A date without a day is kept as such ("2021-12"). Numbers with slashes are read only where the year stands first: in
"03/04/2022" nobody can tell day from month. Years of the Republic of China (民國) are read where they are named so.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

MONTHS: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
_MONTH: Final = {name[:3].lower(): number for number, name in enumerate(MONTHS.split("|"), start=1)}
_WORD: Final = rf"(?:{MONTHS}|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
_HAN: Final = {mark: value for value, marks in enumerate(("〇零○", *"一二三四五六七八九")) for mark in marks}
_DIGITS: Final = r"[\d〇零○一二三四五六七八九十百]"

DATE: Final = re.compile(
    rf"\b(?P<m1>{_WORD})\s{{0,2}}(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s?,\s{{0,2}}(?P<y1>(?:19|20)\d\d)\b"
    rf"|\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?: day)?(?: of)?\s{{1,2}}(?P<m2>{_WORD}),?\s{{1,2}}(?P<y2>(?:19|20)\d\d)\b"
    r"|(?<![\d./-])(?P<y3>(?:19|20)\d\d)(?P<sign>[-/.])(?P<m3>0?[1-9]|1[0-2])(?P=sign)(?P<d3>3[01]|[12]\d|0?[1-9])(?!\d|[./-]\d)"
    rf"|(?P<roc>民[國国]\s?)?(?P<y4>{_DIGITS}{{2,9}})\s?年\s?(?P<m4>{_DIGITS}{{1,3}})\s?月"
    rf"(?:\s?(?P<d4>{_DIGITS}{{1,3}})\s?[日号號])?"
    rf"|\b(?P<m5>{_WORD}),?\s{{1,2}}(?P<y5>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)


def first_date(text: str, *, whole: bool = False) -> str | None:
    """Return the first date of a text as "2022-12-31", or "2022-12" where no day stands; None where there is none.

    `whole`: only with a day.
    """
    return next((found for found in every_date(text) if not whole or len(found) == 10), None)


def every_date(text: str) -> list[str]:
    """Return all dates of a text in order, those that do not exist (30 February) left out."""
    return [iso for found in DATE.finditer(text) if (iso := iso_of(found)) is not None]


def iso_of(found: re.Match[str]) -> str | None:
    """Return a match of `DATE` in ISO form, None where there is no such day."""
    if found["y4"]:
        year, month, day = han_number(found["y4"]), han_number(found["m4"]), han_number(found["d4"] or "")
        if found["roc"] and year is not None:
            year += 1911
        return _iso(year, month, day, whole=bool(found["d4"]))
    for n in "125":
        if found[f"y{n}"]:
            day = int(found[f"d{n}"]) if n != "5" else None
            return _iso(int(found[f"y{n}"]), _MONTH[found[f"m{n}"][:3].lower()], day, whole=n != "5")
    return _iso(int(found["y3"]), int(found["m3"]), int(found["d3"]), whole=True)


def _iso(year: int | None, month: int | None, day: int | None, *, whole: bool) -> str | None:
    if year is None or month is None or not 1900 <= year <= 2099 or not 1 <= month <= 12 or (whole and not day):
        return None
    try:
        return date(year, month, day).isoformat() if day else f"{year:04d}-{month:02d}"
    except ValueError:
        return None


def han_number(text: str) -> int | None:
    """Return the value of "112", "二〇二二" or "一百一十三"; None where it is no number below 1,000 nor a year."""
    if not text:
        return None
    if text.isdigit():
        return int(text)
    if not re.search("[十百]", text):
        return int("".join(str(_HAN.get(mark, mark)) for mark in text))
    found = re.fullmatch(
        r"(?:([一二三四五六七八九])百零?)?(?:([一二三四五六七八九])?(十))?([一二三四五六七八九])?", text
    )
    if found is None:
        return None
    hundreds, tens, ten, ones = found.groups()
    return _HAN.get(hundreds or "零", 0) * 100 + (_HAN[tens] if tens else bool(ten)) * 10 + _HAN.get(ones or "零", 0)
