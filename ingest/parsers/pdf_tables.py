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

from ingest.parsers.pdf_lines import Line, Piece
from ingest.parsers.table import Grid, is_value, is_year
from rag.numbers import find_scale, parse_number

MAX_HEAD = 7
_LEADERS = re.compile(r"\s*(?:\.\s?){4,}\s*|\s*…{2,}\s*|\s*_{4,}\s*")
_SIGN = re.compile(r"(?:US|HK|NT)?[$€£¥￥]\(?|\(")
_TAIL = re.compile(r"\)?\s?%|\)|\)%|pts?|bps|x")
_ONLY_NUMBERS = re.compile(r"[\d.,()$%€£¥\-–—\s]+")
_YEARS_ROW = re.compile(r"(?:FY\s?)?(?:19|20)\d{2}|[12]\d{3}\s*年(?:度|末)?")
_PROSE_END = re.compile(r"[.;。；]$")


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
    pieces = [part for piece in line.pieces for part in _split(piece)]
    merged: list[Piece] = []
    sign: Piece | None = None
    for piece in pieces:
        if sign is not None:
            piece = Piece(sign.text + piece.text, sign.x0, piece.x1)
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


def _split(piece: Piece) -> list[Piece]:
    """Cut dot leaders, and pieces that are several numbers in a row, into parts; places by share of characters."""
    text = piece.text
    if "...." in text or ". . ." in text or "……" in text or "____" in text:
        parts = [part for part in _LEADERS.split(text) if part]
    elif " " in text and _ONLY_NUMBERS.fullmatch(text) and parse_number(text) is None:
        parts = re.sub(r"([$€£¥(])\s+", r"\1", text).split(" ")
        if len(parts) < 2 or sum(parse_number(part) is not None for part in parts) < 2:
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
        elif row.cells or not region.columns or row.line.x1 > region.left + 4 or pending >= 3 or _is_prose(row, region):
            break
        else:
            pending += 1
    if not region.columns:
        return None, start
    region.rows = list(rows[start:end])
    numbers = [row for row in region.rows if row.cells]
    strong = sum(len(row.cells) >= 2 for row in numbers)
    if (strong < 1 or len(numbers) < 2) if len(region.columns) > 1 else (len(numbers) < 3 or _is_contents(numbers)):
        return None, start
    return region, end


def _weak(row: Row) -> bool:
    """Tell whether a row with one number may begin a table: a label, a wide gap, a number."""
    return (
        bool(row.label)
        and row.cells[0].x0 - row.label[-1].x1 > 2 * row.line.height
        and not row.cells[0].text.startswith("(")
    )


def _is_prose(row: Row, region: Region) -> bool:
    """Tell whether a line without numbers is a sentence rather than a label."""
    return len(row.line.text) > 90 or (_PROSE_END.search(row.line.text) is not None and len(row.line.text) > 40)


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
    for i in range(start - 1, max(floor, start - MAX_HEAD) - 1, -1):
        line = rows[i].line
        if line.bottom - below > 2.8 * height or (rows[i].cells and not rows[i].is_head):
            break
        heading = [p for p in line.pieces if p.x1 > region.left - 2 * height]
        section = line.x1 < region.left and len(line.text) < 70 and start - i <= sections
        sections += section
        spread = len(line.pieces) > 1 or line.x0 > region.left - 5 * height
        notice = find_scale(line.text)[0] != 1 and len(line.text) < 90
        if not (heading and spread) and not section and not notice:
            break
        if spread and len(line.pieces) == 1 and _covers_page(line, region):
            break
        first, below = i, line.top
    head = list(rows[first:start])
    while head and _is_section(head[-1], region):
        region.rows.insert(0, head.pop())
    region.head = [row.line for row in head]
    return first


def _is_section(row: Row, region: Region) -> bool:
    """Tell whether a line above the first row opens a section ("Revenue:") rather than heads columns."""
    return not row.cells and row.line.x1 < region.left and find_scale(row.line.text)[0] == 1


def _covers_page(line: Line, region: Region) -> bool:
    """Tell whether a lone piece is a title over the whole table rather than a heading over its columns."""
    middle = (line.x0 + line.x1) / 2
    return middle < region.left or line.x0 < region.left - 0.5 * (line.x1 - line.x0)


def to_grid(
    region: Region, *, caption: str, notes: Sequence[str], page: int | None, head_of: Region | None = None
) -> Grid:
    """Write a region as a grid: the label first, then one cell a column. `head_of` is the table it goes on from."""
    grid: list[list[str]] = []
    indents: list[float] = []
    for line in (head_of or region).head:
        grid.append(_head_cells(line, head_of or region))
        indents.append(line.x0)
    heads = len(grid)
    carry: Row | None = None
    for row in region.rows:
        cells = [""] * len(region.columns)
        for cell in row.cells:
            cells[_column(region, cell)] = cell.text
        label = " ".join(piece.text for piece in row.label)
        x0 = row.label[0].x0 if row.label else row.line.x0
        if carry is not None and _continues(carry, row):
            label, x0 = f"{grid.pop()[0]} {label}", indents.pop()
        grid.append([label, *cells])
        indents.append(x0)
        carry = None if row.cells else row
    seen = (head_of or region).currency
    region.currency = next((c.text[0] for r in region.rows for c in r.cells if c.text[0] in "$€£¥￥"), seen)
    return Grid(grid, caption=caption, notes=notes, header_rows=heads, indents=indents, page=page, currency=seen)


def _continues(carry: Row, row: Row) -> bool:
    """Tell whether a label goes on from the line before, which holds no number."""
    head, tail = carry.line, row.label[0].text if row.label else ""
    if head.text.rstrip().endswith((":", "：")) or not tail:
        return False
    close = head.bottom - row.line.top < 0.5 * row.line.height
    return close and (
        tail[0].islower() or tail[0] in "(–-" or head.text.endswith((",", "-", " and", " of", " to", " the"))
    )


def _column(region: Region, piece: Piece) -> int:
    middle = (piece.x0 + piece.x1) / 2
    return min(range(len(region.columns)), key=lambda j: abs(sum(region.columns[j]) / 2 - middle))


def _head_cells(line: Line, region: Region) -> list[str]:
    """Give each heading piece to the columns it stands over; a lone one in the middle belongs to all of them."""
    count = len(region.columns)
    cells = [""] * count
    label: list[str] = []
    heads: list[Piece] = []
    edge = region.left - 2 * line.height
    for piece in line.pieces:
        if piece.x1 <= edge or (piece.x0 + piece.x1) / 2 < edge:
            label.append(piece.text)
        else:
            heads.extend(_split(piece))
    middles = [(x0 + x1) / 2 for x0, x1 in region.columns]
    if len(heads) == 1 and count > 1:
        middle, whole = (heads[0].x0 + heads[0].x1) / 2, (region.columns[0][0] + region.columns[-1][1]) / 2
        span = region.columns[-1][1] - region.columns[0][0]
        over = [j for j, m in enumerate(middles) if heads[0].x0 - 4 <= m <= heads[0].x1 + 4]
        chosen = range(count) if abs(middle - whole) < 0.1 * span or not over else over
        for j in chosen:
            cells[j] = heads[0].text
    elif heads and len(heads) < count:
        for j, m in enumerate(middles):
            nearest = min(heads, key=lambda p: abs((p.x0 + p.x1) / 2 - m))
            step = span_of(heads)
            if abs((nearest.x0 + nearest.x1) / 2 - m) <= max(step * 0.6, (nearest.x1 - nearest.x0) / 2 + 4):
                cells[j] = nearest.text
    else:
        for piece in heads:
            j = _column(region, piece)
            cells[j] = f"{cells[j]} {piece.text}".strip()
    return [" ".join(label), *cells]


def span_of(heads: Sequence[Piece]) -> float:
    """Return the mean distance between the middles of neighbouring headings."""
    middles = [(p.x0 + p.x1) / 2 for p in heads]
    return (middles[-1] - middles[0]) / (len(middles) - 1) if len(middles) > 1 else 0.0
