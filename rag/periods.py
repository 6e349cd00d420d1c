"""The periods a question names: "FY22", "Q2 of fiscal 2023", "3Q21", "first half of 2020", 2022年报, 2023年第二季度.

It does not turn days into periods and knows nothing of companies' calendars: "fiscal 2021" is 2021. Years from 1950 to
2099 count; of two digits only after FY or beside a quarter or half.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ORDINALS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_ZH_NUMBERS: Final = {"一": 1, "二": 2, "三": 3, "四": 4, "1": 1, "2": 2, "3": 3, "4": 4}
_PART_EN: Final = (
    r"(?:Q(?P<q{n}>[1-4])|(?P<qb{n}>[1-4])Q|H(?P<h{n}>[12])|(?P<hb{n}>[12])H"
    r"|(?P<o{n}>first|second|third|fourth|1st|2nd|3rd|4th)[ -](?:fiscal[ -])?(?P<w{n}>quarter|half))"
)
_YEAR_EN: Final = r"(?P<fy{n}>FY|CY|fiscal(?:[ -]year)?)?[ '’]{{0,2}}(?P<y{n}>(?:19[5-9]|20\d)\d|\d\d)(?!\d)"
_EN: Final = re.compile(
    rf"(?<![\w.,]){_PART_EN.format(n=1)}[ ,-]{{0,2}}(?:(?:of|in|for) )?(?:the )?{_YEAR_EN.format(n=1)}"
    rf"|(?<![\w.,]){_YEAR_EN.format(n=2)}[ _-]?{_PART_EN.format(n=2)}"
    r"|(?<![\w.,])(?P<fy3>FY|CY|fiscal(?:[ -]year)?)[ '’]{0,2}(?P<y3>(?:19[5-9]|20\d)\d|\d\d)(?!\d)"
    r"|(?<![\w.,$€£¥])(?P<y4>(?:19[5-9]|20\d)\d)(?![\d%]|[.,]\d)(?P<fy4>[ -]fiscal\b)?"
    r"|(?<!\w)Q(?P<q5>[1-4])(?!\w)",
    re.IGNORECASE,
)
_ZH: Final = re.compile(
    r"(?P<y>(?:19[5-9]|20\d)\d|[二一][〇零○九][〇零○一二三四五六七八九]{2})\s?(?:年度?|财年|財年)\s?(?:的?\s?)"
    r"(?:(?P<half>上半年|下半年|半年度?|中期|中报|半年报)|第?(?P<q>[一二三四1-4])\s?季(?:度|报|報)?|(?P<fy>年?度?报告?|年報|全年|财报))?"
)
_ZH_DIGITS: Final = str.maketrans("〇零○一二三四五六七八九", "000123456789")


@dataclass(frozen=True, slots=True)
class Period:
    """A year, None where a quarter stands alone; `part` is "Q1".."Q4", "H1", "H2", "FY" or "" where none is said."""

    year: int | None
    part: str = ""
    fiscal: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (self.part, str(self.year or ""))))


def find_periods(text: str) -> tuple[Period, ...]:
    """Return the periods named in a text, in order, each once."""
    found: list[tuple[int, Period]] = []
    rest = text
    for match in _ZH.finditer(text):
        found.append((match.start(), _chinese(match)))
        rest = rest[: match.start()] + " " * len(match.group()) + rest[match.end() :]
    for match in _EN.finditer(rest):
        period = _of(match)
        if period is not None:
            found.append((match.start(), period))
    return tuple(dict.fromkeys(period for _, period in sorted(found, key=lambda item: item[0])))


def without_periods(text: str) -> str:
    """Return a text without the periods it names."""
    bare = _ZH.sub(" ", text)
    return _EN.sub(lambda match: match.group() if _of(match) is None else " ", bare)


def asked_year(periods: tuple[Period, ...]) -> int | None:
    """Return the latest year asked about, of fiscal years where some are called so: its report holds those before."""
    fiscal = [period.year for period in periods if period.year and period.fiscal]
    return max(fiscal or [period.year for period in periods if period.year], default=None)


def _chinese(match: re.Match[str]) -> Period:
    year = int(match["y"].translate(_ZH_DIGITS))
    if match["q"]:
        return Period(year, f"Q{_ZH_NUMBERS[match['q']]}", True)
    if match["half"]:
        return Period(year, "H2" if match["half"] == "下半年" else "H1", True)
    return Period(year, "FY" if match["fy"] else "", bool(match["fy"]) or "财年" in match.group())


def _of(match: re.Match[str]) -> Period | None:
    """Return the period an English match stands for, None for a number that is no year."""
    named = {key.rstrip("12345"): value for key, value in match.groupdict().items() if value}
    year = _year(named.get("y"))
    if "y" in named and year is None:
        return None
    quarter = named.get("q") or named.get("qb")
    half = named.get("h") or named.get("hb")
    part = f"Q{quarter}" if quarter else f"H{half}" if half else ""
    if "o" in named:
        number = _ORDINALS[named["o"].lower()]
        part = f"{'Q' if named['w'].lower() == 'quarter' else 'H'}{number}"
    fiscal = "fy" in named and named["fy"].lower() != "cy"
    return Period(year, part, fiscal or bool(part and year))


def _year(text: str | None) -> int | None:
    if text is None:
        return None
    if len(text) == 4:
        return int(text)
    return 2000 + int(text) if int(text) < 50 else 1900 + int(text)
