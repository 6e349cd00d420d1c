"""The lines above the first row of a table: which of them head its columns, and which open its first section.

Where headings are underlined, the drawn lines say which columns a heading stands over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.parsers.grid import is_year
from ingest.parsers.pdf_lines import Line, Piece
from ingest.parsers.pdf_rows import Region, Row
from rag.numbers import find_scale

MAX_HEAD = 9  # lines that may head the columns
MAX_SECTIONS = 6  # lines between the headings and the first row: sections, a long one wrapped
LONG = 40  # characters: a piece that begins with the labels and reaches over the numbers is prose from here on
_FIGURE = re.compile(r"[$€£¥]?\s?\(?[\d,.]{2,}\)?\s?%?|\*\*")
_AMOUNT = re.compile(r"(?:^| )[$€£¥]\s?\(?\d[\d,.]*(?: |$)")
_DAY = re.compile(r"(?:[1-9]|[12]\d|3[01]),")  # of a date set over three lines
_LEADS = re.compile(
    r"\b(?:as follows|following)\b.*[:.]$|(?:如下|下表)[^：:。]*[：:。]?$", re.IGNORECASE
)  # leads to a table
BESIDE = 4.0  # points that words may reach beyond the line drawn under them
OFF_RULE = 0.12  # of the length of a line under several columns that a heading may be off its middle
PROSE_END = re.compile(r"[.。]$")


def take_head(rows: Sequence[Row], start: int, floor: int, region: Region) -> int:
    """Give the region the lines above row `start` that head its columns or open its first section.

    Returns:
        The first of them; `start` where there are none. No line above `floor` is taken.
    """
    first = last_head = start
    height = rows[start].line.height
    below = rows[start].line.top
    for i in range(start - 1, max(floor, start - MAX_HEAD - MAX_SECTIONS) - 1, -1):
        line = rows[i].line
        if line.bottom - below > 2.8 * height or (rows[i].cells and not rows[i].is_head):
            break
        if _heads(rows[i], region, height):
            if last_head - i > MAX_SECTIONS or (last_head < start and start - last_head >= MAX_HEAD):
                break
            first = i
            last_head = i
        elif not _may_stand_between(line, region, start - i):
            break
        below = line.top
    section = first
    if first == start:  # no heading: sections right above the rows still belong to them
        while section > floor and start - section < 2 and _is_section(rows[section - 1], region, rows[start]):
            section -= 1
    head = list(rows[section:start])
    while head and not _heads(head[-1], region, height):
        region.rows.insert(0, head.pop())
    region.head = [row.line for row in head]
    return section


def _heads(row: Row, region: Region, height: float) -> bool:
    """Tell whether a line names columns: pieces over the numbers, or a notice of their scale."""
    line = row.line
    if row.is_head:
        return True
    figures = [p.text for p in line.pieces if _FIGURE.fullmatch(p.text)]
    if sum(not is_year(text) and not _DAY.fullmatch(text) for text in figures) > 1:
        return False
    if find_scale(line.text)[0] != 1 and len(line.text) < 90:
        return not line.text.endswith((":", "："))  # a sentence that leads to the table is told as such
    near = region.label_left + 6 * height
    if any(len(p.text) > LONG and p.x0 < near and p.x1 > region.left for p in line.pieces):
        return False  # prose
    if _AMOUNT.search(line.text):
        return False
    over = [p for p in line.pieces if p.x1 > region.left - 2 * height or p.x0 > region.label_edge]
    if not over or (len(line.pieces) == 1 and _covers_page(line, region)):
        return False
    return len(line.pieces) > 1 or line.x0 > min(region.left - 5 * height, region.label_edge)


def _may_stand_between(line: Line, region: Region, below: int) -> bool:
    """Tell whether a line may stand between the headings and the first row: a label, a section."""
    if _LEADS.search(line.text):
        return False
    if line.x1 < region.left:
        return len(line.text) < 140
    if len(line.pieces) > 1 or below > 4 or PROSE_END.search(line.text):
        return False
    return len(line.text) < 140 and line.x1 < region.columns[-1][1] - 2 * line.height


def _is_section(row: Row, region: Region, first: Row) -> bool:
    """Tell whether a line above the first row opens a section ("Revenue:")."""
    line = row.line
    near = line.bottom - first.line.top < 2.8 * first.line.height
    return near and not row.cells and line.x1 < region.left and len(line.text) < 70 and find_scale(line.text)[0] == 1


def _covers_page(line: Line, region: Region) -> bool:
    """Tell whether a lone piece is a title over the whole table rather than a heading over its columns."""
    middle = (line.x0 + line.x1) / 2
    return middle < region.left - 3 * line.height or line.x0 < region.left - 0.5 * (line.x1 - line.x0)


def by_rules(pieces: Sequence[Piece], lines: Sequence[Line], region: Region) -> list[str]:
    """Give the pieces of a heading line to the columns above whose figures the line under them is drawn.

    A piece of a wrapped heading stands on the line that is drawn under the lowest of its lines.

    Args:
        pieces: of the first of `lines`, without what heads the labels.
        lines: that one and the heading lines below it.
        region: the table.

    Returns:
        One cell a column; [] where lines say nothing, or do not tell the pieces apart.
    """
    middles = [(x0 + x1) / 2 for x0, x1 in region.columns]
    first = min(region.label_edge - BESIDE, region.left) - BESIDE
    cells = [""] * len(middles)
    loose: list[Piece] = []
    direct = False
    for piece in pieces:
        rule, below = _rule_under(piece, lines)
        over = [j for j, x in enumerate(middles) if rule and rule[0] - BESIDE < x < rule[1] + BESIDE]
        if rule and over and rule[0] < first:  # drawn under the labels, too
            rule = (region.columns[over[0]][0], region.columns[over[-1]][1]) if len(over) < len(middles) else None
        if rule is None:
            loose.append(piece)
            continue
        centred = abs(sum(rule) - piece.x0 - piece.x1) / 2 <= OFF_RULE * (rule[1] - rule[0])
        if not over or any(cells[j] for j in over) or (len(over) > 1 and not centred):
            return []
        direct = direct or below == 0
        for j in over:
            cells[j] = piece.text
    if direct and loose:  # what stands on no line of its own is told by the columns that are left
        left = [j for j, cell in enumerate(cells) if not cell]
        if len(left) != len(loose):
            return []
        for j, piece in zip(left, loose, strict=True):
            cells[j] = piece.text
    if direct or len(pieces) > 1:
        return cells if direct or not loose else []
    off = [abs(left + region.columns[-1][1] - p.x0 - p.x1) / 2 for p in pieces for left in (first, region.left)]
    wide = region.columns[-1][1] - region.left
    return cells if not loose and off and min(off) > OFF_RULE * wide else []  # else it may head all columns


def _rule_under(piece: Piece, lines: Sequence[Line]) -> tuple[tuple[float, float] | None, int]:
    """Return the first line drawn under a piece or what stands below it, and how many lines further down it is."""
    for below, line in enumerate(lines):
        under = [r for r in line.under if r[0] - BESIDE <= piece.x0 and piece.x1 <= r[1] + BESIDE]
        if under:
            return min(under, key=lambda r: r[1] - r[0]), below
    return None, 0
