"""The cells of a worksheet as a spreadsheet program shows them: what is hidden, in which format, in which colours."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import iterparse

from ingest.clean import clean_line
from ingest.parsers.hidden import BLACK, WHITE, Colour, blends, read_colour
from ingest.pulse import beat
from rag.errors import DocumentError

MAX_COLUMNS = 16_384  # of a row: no spreadsheet program allows more
_CURRENCY_FORMAT = re.compile(r"\[\$([^\]-]*)[^\]]*\]|\"([$€£¥￥])\"|([$€£¥￥])")
_HIDDEN_TAG = re.compile(rb"<(?:\w+:)?(row|col)\s[^<>]*?\bhidden=[\"'](?:1|true)[\"'][^<>]*>")
_ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_NUMBER = {name: re.compile(rb"\b%s=[\"'](\d+)[\"']" % name) for name in (b"r", b"min", b"max")}


@dataclass(frozen=True, slots=True)
class Style:
    """How the cells of a style look: the reason why they are not seen, if any, and their format of numbers."""

    unseen: str
    form: str


def hidden_of(sheet: Any, source: str) -> tuple[set[int], list[tuple[int, int]]]:
    """Return the hidden rows and the runs of hidden columns (both from 1) of a sheet, read from its file.

    Raises:
        DocumentError: a row of it has more cells than there can be columns.
    """
    rows: set[int] = set()
    columns: list[tuple[int, int]] = []
    tail, width = b"", 0
    with sheet._get_source() as part:
        while block := part.read(1 << 20):
            text = tail + block
            tail = text[text.rfind(b"<") :][:4096] if text.rfind(b"<") > text.rfind(b">") else b""  # a tag cut in two
            text = text.removesuffix(tail)
            for found in _HIDDEN_TAG.finditer(text):
                numbers = {name: pattern.search(found.group()) for name, pattern in _NUMBER.items()}
                row, low, high = (int(hit.group(1)) if hit else 0 for hit in numbers.values())
                if found.group(1) == b"row":
                    rows.add(row)
                else:
                    columns.append((low, high))
            first, *others = (len(_CELL.findall(cells)) for cells in _ROW.split(text))
            if max(width + first, *others, 0) > MAX_COLUMNS:
                raise DocumentError(
                    f"{source}: a row of sheet {sheet.title!r} has more than {MAX_COLUMNS:,} columns, the most that "
                    "spreadsheet programs allow. Save it with fewer, or as CSV."
                )
            width = others[-1] if others else width + first
    return rows, columns


def rows_of(sheet: Any) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield the rows that are written in a sheet, with their numbers, in rising order.

    The cells are read by openpyxl ("column", "value", "style_id", ...), the rows are not: it makes an object of each
    cell, and fills every gap.
    """
    from openpyxl.worksheet._reader import ROW_TAG, WorkSheetParser

    book, last = sheet.parent, 0
    with sheet._get_source() as part:
        parser = WorkSheetParser(
            part,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for read, (_, element) in enumerate(row for row in iterparse(part) if row[1].tag == ROW_TAG):
            if read % 1000 == 0:
                beat()
            number, cells = parser.parse_row(element)
            element.clear()
            if number > last:
                last = number
                yield number, cells


def style_of(sheet: Any, cell: dict[str, Any]) -> Style:
    """Return how a cell looks."""
    from openpyxl.cell.read_only import ReadOnlyCell

    whole = ReadOnlyCell(sheet, **cell)
    form = whole.number_format or "General"
    unseen = "format that shows nothing" if form.replace(" ", "") == ";;;" else ""
    if blends(_colour(whole.font.color) or BLACK, _ground(whole.fill)):
        unseen = "colour of its ground"
    return Style(unseen, form)


def _colour(colour: Any) -> Colour | None:
    """Return a colour of a cell where it is said as such, or is the theme's white or black."""
    if colour is None:
        return None
    if colour.type == "rgb" and isinstance(colour.rgb, str):
        return read_colour(f"#{colour.rgb[-6:]}")
    if colour.type == "theme" and not colour.tint:
        return {0: WHITE, 1: BLACK}.get(colour.theme)
    return {1: WHITE, 9: WHITE, 0: BLACK, 8: BLACK}.get(colour.indexed) if colour.type == "indexed" else None


def _ground(fill: Any) -> Colour | None:
    kind = getattr(fill, "patternType", None)
    if kind is None and not hasattr(fill, "stop"):
        return WHITE
    return _colour(fill.fgColor) if kind == "solid" else None


def text_of(value: Any, form: str) -> str:
    """Write a value as the sheet shows it, nearly: percent, decimals, thousands and currency follow its format."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return _number(value, form)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return clean_line(str(value))


def _number(value: float, form: str) -> str:
    percent, whole, other, sign = _format(form)
    amount = value * 100 if percent else value
    text = format(amount, whole if isinstance(amount, int) else other)
    text = f"-{sign}{text[1:]}" if text.startswith("-") else f"{sign}{text}"
    return text + ("%" if percent else "")


@lru_cache(1024)
def _format(form: str) -> tuple[bool, str, str, str]:
    """Return of a format: whether it shows percent, how `format` writes whole and other numbers, its currency sign."""
    form = form.split(";")[0]
    found = re.search(r"0\.(0+)", form)
    comma = "," if "#,#" in form or "0,0" in form else ""
    money = _CURRENCY_FORMAT.search(form)
    sign = next((group for group in money.groups() if group), "") if money else ""
    if form == "General" or "0" not in form:
        return "%" in form, comma, ".10g", sign
    decimals = f"{comma}.{len(found.group(1)) if found else 0}f"
    return "%" in form, decimals, decimals, sign
