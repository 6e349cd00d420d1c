"""Lines of a page become tables where numbers stand in columns, with no ruling line needed.

A region of rows is grown over consecutive lines whose last pieces are numbers, as long as each number falls into a
column of its own. What stands above the columns is their heading (`ingest.parsers.pdf_head`), what stands above that
the caption. Tables of words are the business of `ingest.parsers.pdf_words`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ingest.parsers.pdf_head import PROSE_END, take_head
from ingest.parsers.pdf_lines import Line
from ingest.parsers.pdf_rows import Region, Row, read_row
from rag.numbers import parse_number

_OPEN_END = re.compile(r"(?:,|-|–| (?:and|or|of|to|in|for|from|by))$")
_YEARS = re.compile(r"(?:FY)?(?:19|20)\d{2}(?:\s*[-–—]\s*(?:FY)?(?:19|20)?\d{2})?(?:\s*\(\w\))?")
LONG_LABEL = 200  # characters of one line of a label, left of the numbers
MAX_PENDING = 15  # labels in a row without a number: balance sheets list empty items


def find_regions(lines: Sequence[Line]) -> list[tuple[int, int, Region]]:
    """Return (first line, line behind the last, region) of the tables among the lines of a page, top down.

    Heading lines belong to the span; the caption does not, it is only looked at.
    """
    rows = [read_row(line) for line in lines]
    for last, row in pairwise(rows):
        _settle(last, row)
    found: list[tuple[int, int, Region]] = []
    i = done = 0
    while i < len(rows):
        region, end = _grow(rows, i)
        if region is None:
            i += 1
            continue
        first = take_head(rows, i, done, region)
        region.above = [row.line for row in rows[max(done, first - 4) : first]]
        found.append((first, end, region))
        i = done = end
    return found


def _settle(last: Row, row: Row) -> None:
    """Put a number that goes on with the label of the line before ("September 30," / "2016") to the label."""
    wrapped = last.label and not last.cells and len(row.cells) > 1 and not row.label and not row.is_head
    if wrapped and abs(row.cells[0].x0 - last.label[0].x0) < 15 and _OPEN_END.search(last.label[0].text):
        row.label.append(row.cells.pop(0))


def _years_are_labels(region: Region) -> None:
    """Make the first column labels where it holds nothing but years that begin where the labels do."""
    first = [row for row in region.rows if row.cells and row.cells[0].x0 <= region.columns[0][1]]
    left = min((row.line.x0 for row in region.rows), default=0.0)
    here = region.columns[0][0] - left < 4 and len(region.columns) > 1 and len(first) > 1
    if not here or any(row.label or not _YEARS.fullmatch(row.cells[0].text) for row in first):
        return
    for row in first:
        row.label.append(row.cells.pop(0))
    region.columns.pop(0)


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
        if region.columns and row.is_head and not row.label and row.line.x1 < region.left - row.line.height:
            row.label, row.cells = row.cells, []  # a year that opens a section
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
    _years_are_labels(region)
    numbers = [row for row in region.rows if row.cells]
    strong = sum(len(row.cells) >= 2 for row in numbers)
    headed = start > 0 and (
        (rows[start - 1].is_head and len(rows[start - 1].cells) >= 2) or _underlined(rows[start - 1].line, rows[start])
    )
    if len(region.columns) > 1:
        found = strong > 0 and len(numbers) >= 2 - headed
    else:
        found = len(numbers) >= 3 and not _is_contents(numbers)
    return (region, end) if found else (None, start)


def _underlined(line: Line, row: Row) -> bool:
    """Tell whether the figures of a row stand below the lines drawn under the words of a line, several each."""
    middles = [(cell.x0 + cell.x1) / 2 for cell in row.cells]
    over = {next((r for r in line.under if r[0] - 4 <= middle <= r[1] + 4), None) for middle in middles}
    return len(over) > 1 and None not in over and bool(row.label)


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
    if row.line.x1 > region.left + 4 or len(text) > LONG_LABEL or (PROSE_END.search(text) and len(text) > 40):
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
