"""The indexes of EDGAR as it sends them: tickers, companies, filings in columns; and the fiscal year of a filing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

_OLDER: Final = re.compile(r"CIK\d{10}-submissions-\d{3,4}\.json")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_REPORTS: Final = ("10-K", "10-KT", "10-KSB", "10-Q", "10-QT", "20-F", "40-F")


@dataclass(frozen=True, slots=True)
class Company:
    """Who files. `year_end` is the last day of its fiscal year, MMDD."""

    cik: int
    ticker: str
    name: str
    year_end: str


@dataclass(frozen=True, slots=True)
class Filing:
    """One filing; days are ISO, "" where EDGAR has none."""

    accession: str
    form: str
    filed: str
    period: str
    document: str
    title: str

    @property
    def base_form(self) -> str:
        """The form without the mark of an amendment."""
        return self.form.removesuffix("/A")


def fiscal_year(period: str, year_end: str, form: str) -> int | None:
    """Return the fiscal year a report speaks of, None where the calendar does not tell.

    Args:
        period: its last day, ISO.
        year_end: last day of the company's fiscal year, MMDD, as EDGAR has it.
        form: other forms than periodic reports have the year of `period`.

    Years that end from January to May are named by some companies after the year they begin in, by others after the
    one they end in: there None is returned, and the report itself will tell. A year of 52 or 53 weeks may end a few
    days into January, and counts as that before.
    """
    try:
        day = date.fromisoformat(period)
        end = date(day.year, int(year_end[:2]), min(int(year_end[2:]), 28)) if year_end else None
    except ValueError:
        return None
    if form not in _REPORTS:
        return day.year
    if form.startswith("10-K") or form in ("20-F", "40-F"):
        if day.month == 1 and day.day <= 7:
            return day.year - 1
        return day.year if day.month >= 6 else None
    if end is None or (end.month < 6 and (end.month, end.day) > (1, 7)):
        return None
    if end.month == 1:
        return day.year if day.month > 1 else None
    return day.year + 1 if (day - end).days > 14 else day.year


def read_tickers(content: bytes) -> dict[str, int]:
    """Return the CIK of every ticker.

    Raises:
        ValueError: there are none in it.
    """
    found = json.loads(content)
    rows = found.values() if isinstance(found, dict) else found
    return {str(row["ticker"]).upper(): int(row["cik_str"]) for row in _fields(rows)}


def read_submissions(content: bytes) -> dict[str, Any]:
    """Return what EDGAR holds of a company.

    Raises:
        ValueError: there is no list of filings in it.
    """
    whole = json.loads(content)
    if not isinstance(whole, dict) or not isinstance(whole.get("filings"), dict):
        raise ValueError("no list of filings in it")
    filings_of(whole["filings"].get("recent"))
    return whole


def read_older(content: bytes) -> list[Filing]:
    """Return the filings of a file of older ones.

    Raises:
        ValueError: there are none in it.
    """
    return filings_of(json.loads(content))


def filings_of(table: Any) -> list[Filing]:
    """Return the rows of a table that comes as one list a column.

    Raises:
        ValueError: it is none.
    """
    keys = ("accessionNumber", "form", "filingDate", "reportDate", "primaryDocument", "primaryDocDescription")
    if not isinstance(table, dict) or not isinstance(table.get("accessionNumber"), list):
        raise ValueError("no columns of filings in it")
    count = len(table["accessionNumber"])
    columns = [table.get(key) or [""] * count for key in keys]
    if any(not isinstance(column, list) or len(column) != count for column in columns):
        raise ValueError("columns of filings of different length")
    rows = (tuple(str(value or "") for value in row) for row in zip(*columns, strict=True))
    return [
        Filing(accession, form.upper(), _day(filed), _day(period), document, title)
        for accession, form, filed, period, document, title in rows
    ]


def older_files(files: Any) -> list[dict[str, str]]:
    """Return the files of older filings, the newest first; names that are none of EDGAR's are left out."""
    parts = [
        {"name": str(part.get("name")), "filingTo": str(part.get("filingTo") or "9999")}
        for part in files or []
        if isinstance(part, dict) and _OLDER.fullmatch(str(part.get("name")))
    ]
    return sorted(parts, key=lambda part: part["filingTo"], reverse=True)


def _fields(rows: Any) -> list[dict[str, Any]]:
    found = [row for row in rows if isinstance(row, dict) and "ticker" in row and str(row.get("cik_str", "")).isdigit()]
    if not found:
        raise ValueError("no tickers in it")
    return found


def _day(value: str) -> str:
    return value if _DAY.fullmatch(value) else ""
