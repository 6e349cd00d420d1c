"""Lines of a page become tables where numbers stand in columns, with no ruling line needed.

A region of rows is grown over consecutive lines whose last pieces are numbers, as long as each number falls into a
column of its own. What stands above the columns is their heading, what stands above that the caption. It does not know
tables without numbers: those remain lines of text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ingest.parsers.grid import is_value, is_year
from ingest.parsers.pdf_lines import Line, Piece
from rag.numbers import find_scale, parse_number

MAX_HEAD = 7  # lines that may head the columns
MAX_PENDING = 15  # labels in a row without a number: balance sheets list empty items
_LEADERS = re.compile(r"\s*(?:\.\s?){4,}\s*|\s*…{2,}\s*|\s*_{4,}\s*")
_SIGN = re.compile(r"(?:US|HK|NT)?[$€£¥￥]\(?|\(")
_TAIL = re.compile(r"\)?\s?%|\)|\)%|pts?|bps|x")
_NUMBER = re.compile(r"[$€£¥]?\s?\(?\s?\d[\d.,]*\)?(?:\s?%)?\)?|[$€£¥]|[-–—]+")
_ONLY_NUMBERS = re.compile(r"[\d.,()$%€£¥\-–—\s]+")
_PROSE_END = re.compile(r"[.。]$")


@dataclass(slots=True)
class Row:
    """A line read as a table row: text pieces at the left, number cells at the right."""

    line: Line
    label: list[Piece]
    cells: list[Piece]

    @property
    def is_head(self) -> bool:
        """Whether the numbers are nothing but years: a heading, not a row."""
        return bool(self.cells) and all(is_year(cell.text) for cell in self.cells)


@dataclass(slots=True)
class Region:
    """Rows that share columns; `columns` are the x intervals the numbers fall into."""

    rows: list[Row] = field(default_factory=list)
    columns: list[list[float]] = field(default_factory=list)
    head: list[Line] = field(default_factory=list)
    above: list[Line] = field(default_factory=list)
    currency: str = ""

    @property
    def left(self) -> float:
        """Where the first column begins."""
        return self.columns[0][0]


def read_row(line: Line) -> Row:
    """Split a line into label and trailing number cells; signs that stand apart are put to their numbers."""
    pieces = [part for piece in line.pieces for part in split_piece(piece)]
    merged: list[Piece] = []
    sign: Piece | None = None
    for piece in pieces:
        if sign is not None:
            piece = Piece(sign.text + piece.text, piece.x0, piece.x1)
            sign = None
        if _SIGN.fullmatch(piece.text):
            sign = piece
        elif merged and _TAIL.fullmatch(piece.text) and parse_number(merged[-1].text.lstrip("(")) is not None:
            merged[-1] = Piece(merged[-1].text + piece.text, merged[-1].x0, piece.x1)
        else:
            merged.append(piece)
    if sign is not None:
        merged.append(sign)
    count = len(merged)
    while count and is_value(merged[count - 1].text):
        count -= 1
    return Row(line, merged[:count], merged[count:])


def split_piece(piece: Piece) -> list[Piece]:
    """Cut dot leaders, and pieces that are several numbers in a row, into parts; places by share of characters."""
    text = piece.text
    if "...." in text or ". . ." in text or "……" in text or "____" in text:
        parts = [part for part in _LEADERS.split(text) if part]
    elif " " in text and _ONLY_NUMBERS.fullmatch(text) and not is_value(text):
        parts = _NUMBER.findall(text)
        if len(parts) < 2:
            return [piece]
    else:
        return [piece]
    step = (piece.x1 - piece.x0) / max(1, len(text))
    found, at = [], 0
    for part in parts:
        at = max(at, text.find(part[-4:], at) + len(part[-4:]) - len(part))
        found.append(Piece(part, piece.x0 + at * step, piece.x0 + (at + len(part)) * step))
        at += len(part)
    return found


def find_regions(lines: Sequence[Line]) -> list[tuple[int, int, Region]]:
    """Return (first line, line behind the last, region) of the tables among the lines of a page, top down.

    Heading lines belong to the span; the caption does not, it is only looked at.
    """
    rows = [read_row(line) for line in lines]
    found: list[tuple[int, int, Region]] = []
    i = done = 0
    while i < len(rows):
        region, end = _grow(rows, i)
        if region is None:
            i += 1
            continue
        first = _head(rows, i, done, region)
        region.above = [row.line for row in rows[max(done, first - 4) : first]]
        found.append((first, end, region))
        i = done = end
    return found


def _grow(rows: Sequence[Row], start: int) -> tuple[Region | None, int]:
    """Grow a region from row `start`; (None, start) where no table begins there."""
    row = rows[start]
    if row.is_head or not row.cells or (len(row.cells) < 2 and not _weak(row)):
        return None, start
    region = Region()
    end = start
    pending = 0
    for i in range(start, len(rows)):
        row = rows[i]
        if i > start and rows[i - 1].line.bottom - row.line.top > 2.6 * row.line.height:
            break
        if row.cells and not row.is_head and _fit(region, row):
            end, pending = i + 1, 0
        elif row.cells or not region.columns or not _is_label(row, region, pending):
            break
        else:
            pending += 1
    if not region.columns:
        return None, start
    if end < len(rows) and _is_rest(rows[end], rows[end - 1], region):
        end += 1
    region.rows = list(rows[start:end])
    numbers = [row for row in region.rows if row.cells]
    strong = sum(len(row.cells) >= 2 for row in numbers)
    headed = start > 0 and rows[start - 1].is_head and len(rows[start - 1].cells) >= 2
    if len(region.columns) > 1:
        found = strong > 0 and len(numbers) >= 2 - headed
    else:
        found = len(numbers) >= 3 and not _is_contents(numbers)
    return (region, end) if found else (None, start)


def _weak(row: Row) -> bool:
    """Tell whether a row with one number may begin a table: a label, a wide gap, a number."""
    return (
        bool(row.label)
        and row.cells[0].x0 - row.label[-1].x1 > 2 * row.line.height
        and not row.cells[0].text.startswith("(")
    )


def _is_label(row: Row, region: Region, pending: int) -> bool:
    """Tell whether a line without numbers is a label rather than a sentence; short ones may stand in long runs."""
    text = row.line.text
    if row.line.x1 > region.left + 4 or len(text) > 140 or (_PROSE_END.search(text) and len(text) > 40):
        return False
    return pending < MAX_PENDING and (pending < 3 or len(text) < 40)


def _is_rest(row: Row, last: Row, region: Region) -> bool:
    """Tell whether the line behind the last numbers is the rest of their wrapped label."""
    if row.cells or not last.label or row.line.x1 > region.left or len(row.line.text) > 40:
        return False
    close = last.line.bottom - row.line.top < 0.35 * row.line.height
    long = last.label[0].x1 > 0.75 * region.left
    return close and long and (row.line.text[0].islower() or not row.line.text.isascii())


def _is_contents(rows: Sequence[Row]) -> bool:
    """Tell whether the one column of numbers is that of a table of contents: page numbers that never fall."""
    values = [parse_number(row.cells[-1].text) for row in rows]
    whole = [value for value in values if value is not None and value == int(value) and value < 2000]
    return len(whole) >= len(rows) - 1 and all(a <= b for a, b in pairwise(whole))


def _fit(region: Region, row: Row) -> bool:
    """Take the row's numbers into the columns, each into another one; False where they do not fit."""
    hits: list[int | None] = []
    for cell in row.cells:
        over = [j for j, (x0, x1) in enumerate(region.columns) if cell.x0 <= x1 + 1 and cell.x1 >= x0 - 1]
        if len(over) > 1:
            return False
        hits.append(over[0] if over else None)
    known = [hit for hit in hits if hit is not None]
    if len(set(known)) < len(known) or (region.columns and not known):
        return False
    if region.columns and row.label and row.label[-1].x1 > region.columns[0][1]:
        return len(known) == len(hits)
    for hit, cell in zip(hits, row.cells, strict=True):
        if hit is None:
            region.columns.append([cell.x0, cell.x1])
        else:
            region.columns[hit] = [min(region.columns[hit][0], cell.x0), max(region.columns[hit][1], cell.x1)]
    region.columns.sort()
    return True


def _head(rows: Sequence[Row], start: int, floor: int, region: Region) -> int:
    """Take the lines above the first row that head columns; return the first of them."""
    first = start
    height = rows[start].line.height
    below = rows[start].line.top
    sections = 1
    for i in range(start - 1, max(floor, start - MAX_HEAD - MAX_PENDING) - 1, -1):
        line = rows[i].line
        if line.bottom - below > 2.8 * height or (rows[i].cells and not rows[i].is_head):
            break
        heading = [p for p in line.pieces if p.x1 > region.left - 2 * height]
        section = start - i <= sections and _opens_section(rows, i, start, region)
        sections += section
        spread = len(line.pieces) > 1 or line.x0 > region.left - 5 * height
        notice = find_scale(line.text)[0] != 1 and len(line.text) < 90
        if not (heading and spread) and not section and not notice:
            break
        if spread and len(line.pieces) == 1 and _covers_page(line, region):
            break
        if not section and start - sections - i >= MAX_HEAD:
            break
        first, below = i, line.top
    head = list(rows[first:start])
    while head and _is_section(head[-1], region):
        region.rows.insert(0, head.pop())
    region.head = [row.line for row in head]
    return first


def _opens_section(rows: Sequence[Row], i: int, start: int, region: Region) -> bool:
    """Tell whether line i, above the first row, opens a section; below a heading it may reach over the columns."""
    line = rows[i].line
    if line.x1 < region.left and len(line.text) < 70:
        return True
    above = rows[i - 1] if i else None
    heads = above is not None and (above.is_head or len(above.line.pieces) > 1)
    alone = len(line.pieces) == 1 and line.x0 <= rows[start].line.x0 + 1
    return heads and alone and len(line.text) < 100 and not _PROSE_END.search(line.text)


def _is_section(row: Row, region: Region) -> bool:
    """Tell whether a line above the first row opens a section ("Revenue:") rather than heads columns."""
    line = row.line
    alone = len(line.pieces) == 1 and line.x0 < region.left - 5 * line.height
    return not row.cells and (line.x1 < region.left or alone) and find_scale(line.text)[0] == 1


def _covers_page(line: Line, region: Region) -> bool:
    """Tell whether a lone piece is a title over the whole table rather than a heading over its columns."""
    middle = (line.x0 + line.x1) / 2
    return middle < region.left - 3 * line.height or line.x0 < region.left - 0.5 * (line.x1 - line.x0)
