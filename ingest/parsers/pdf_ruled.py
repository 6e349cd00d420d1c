"""Tables whose cells are all ruled: the drawn lines say which words stand in which cell, whatever the words are.

Cells that span columns or rows are seen by the lines they lack. Tables ruled only in part (between columns, or under
the heading) are left to `ingest.parsers.pdf_tables`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.clean import join_wrapped
from ingest.parsers.grid import find_header, is_value, is_year
from ingest.parsers.pdf_lines import Line, Piece
from ingest.parsers.pdf_rows import SPAN
from ingest.parsers.pdf_rules import NEAR, SHORT, Box, Rules

Place = tuple[int, int]  # row, column
Owner = dict[Place, Place]  # the upper left place of the cell that a place belongs to
_RANGE = re.compile(r"\d{1,4}\s?[-–—]\s?\d{1,4}")  # "91–180" heads a column of days past due
MAX_CELL = 400  # characters of a cell, on average; longer ones are a layout, not a table
MAX_HEAD = 7  # rows
MAX_FRAME = 0.8  # of the area that one cell may take: a frame around text is no table


@dataclass(slots=True)
class Ruled:
    """A ruled table: its box on the page, where its columns are parted, and the texts of its cells."""

    box: Box
    edges: list[float]
    rows: list[list[str]]


@dataclass(slots=True)
class Standing:
    """What a ruled table at the end of a page hands on to its rest on the next one."""

    edges: list[float]
    head: list[list[str]]
    caption: str
    notes: list[str]

    def goes_on(self, table: Ruled) -> bool:
        """Tell whether a table has the same columns."""
        return len(table.edges) == len(self.edges) and all(
            abs(a - b) < 2 * SHORT for a, b in zip(table.edges, self.edges, strict=True)
        )


def ruled_tables(rules: Rules, lines: list[Line]) -> list[Line]:
    """Return the lines with those inside each ruled table replaced by one line that carries it, top down.

    Lines of words are told what is drawn close below them.
    """
    _underline(rules, lines)
    for box, xs, ys in _grids(rules):
        inside = [line for line in lines if _holds(box, line)]
        if len(inside) < 2:
            continue
        table = _read(rules, box, xs, ys, inside)
        if table is None:
            continue
        place = next(i for i, line in enumerate(lines) if line is inside[0])
        rest = [part for line in inside for part in [_outside(box, line)] if part is not None]
        kept = [line for line in lines if not any(line is one for one in inside)]
        carrier = Line([Piece("", box[0], box[2])], box[1], box[3], ruled=table)
        lines = [*kept[:place], *rest, carrier, *kept[place:]]
    return lines


def _underline(rules: Rules, lines: Sequence[Line]) -> None:
    """Give each rule across to the words it is drawn below."""
    ordered = sorted(lines, key=lambda line: -line.bottom)
    bottoms = [-line.bottom for line in ordered]
    for y, x0, x1 in rules.across:
        i = bisect_right(bottoms, NEAR - y) - 1
        if i >= 0 and ordered[i].bottom - y < ordered[i].top - ordered[i].bottom:
            ordered[i].under += ((x0, x1),)


def heading_rows(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows head the columns: those above the first number that is neither year nor span of time."""
    for count, row in enumerate(rows[:MAX_HEAD]):
        values = [cell for cell in row[1:] if is_value(cell) and not is_year(cell) and not SPAN.fullmatch(cell)]
        if values and (count or not all(map(_RANGE.fullmatch, values))):
            return count
        if count and row[0] and not any(row[1:]) and any(any(above[1:]) for above in rows[:count]):
            return count
    _, count = find_header([list(row) for row in rows])
    return count


def _holds(box: Box, line: Line) -> bool:
    middle = (line.bottom + line.top) / 2
    return box[1] < middle < box[3] and any(box[0] < (p.x0 + p.x1) / 2 < box[2] for p in line.pieces)


def _outside(box: Box, line: Line) -> Line | None:
    """Return what of a line stands beside the table."""
    pieces = [p for p in line.pieces if not box[0] < (p.x0 + p.x1) / 2 < box[2]]
    return Line(pieces, line.bottom, line.top, line.bold) if pieces else None


def _grids(rules: Rules) -> list[tuple[Box, list[float], list[float]]]:
    """Return (box, x of the column edges, y of the row edges, top down) of lines that cross one another."""
    found = []
    for across, down in _connected(rules):
        if not down or len(across) < 2:
            continue
        xs = _places([x for x, _, _ in down], [x for _, a, b in across for x in (a, b)])
        ys = _places([y for y, _, _ in across], [y for _, a, b in down for y in (a, b)])[::-1]
        if len(xs) > 2 and len(ys) > 2:
            found.append(((xs[0], ys[-1], xs[-1], ys[0]), xs, ys))
    return sorted(found, key=lambda grid: -grid[0][3])


def _connected(rules: Rules) -> list[tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]]:
    """Gather the lines that meet, directly or by way of others."""
    across, down = rules.across, rules.down
    parent = list(range(len(across) + len(down)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, (y, x0, x1) in enumerate(across):
        for j, (x, y0, y1) in enumerate(down, start=len(across)):
            if x0 - NEAR <= x <= x1 + NEAR and y0 - NEAR <= y <= y1 + NEAR:
                parent[root(i)] = root(j)
    groups: dict[int, tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]] = {}
    for i in range(len(parent)):
        rows, columns = groups.setdefault(root(i), ([], []))
        (rows if i < len(across) else columns).append(across[i] if i < len(across) else down[i - len(across)])
    return list(groups.values())


def _places(inner: Sequence[float], ends: Sequence[float]) -> list[float]:
    """Return the distinct places of lines; the ends of the crossing ones count where they reach beyond all of them."""
    places: list[float] = []
    for at in sorted(inner):
        if not places or at - places[-1] > SHORT:
            places.append(at)
    if min(ends) < places[0] - 2 * SHORT:
        places.insert(0, min(ends))
    if max(ends) > places[-1] + 2 * SHORT:
        places.append(max(ends))
    return places


def _read(rules: Rules, box: Box, xs: list[float], ys: list[float], lines: Sequence[Line]) -> Ruled | None:
    """Put the words into the cells; None where the lines rule no table."""
    owner = _merged(rules, xs, ys)
    words: dict[tuple[int, int], list[list[Piece]]] = {}
    for line in lines:
        middle = (line.bottom + line.top) / 2
        r = next((i for i in range(len(ys) - 1) if ys[i + 1] < middle <= ys[i]), len(ys) - 2)
        own: dict[tuple[int, int], list[Piece]] = {}
        for piece in line.pieces:
            centre = (piece.x0 + piece.x1) / 2
            if not box[0] < centre < box[2]:
                continue
            c = next((j for j in range(len(xs) - 1) if xs[j] <= centre < xs[j + 1]), len(xs) - 2)
            own.setdefault(owner[r, c], []).append(piece)
        for cell, pieces in own.items():
            words.setdefault(cell, []).append(pieces)
    if any(sum(map(_labels_a_number, found)) > 1 for found in words.values()):
        return None  # what is ruled are blocks of rows
    texts = {cell: [" ".join(p.text for p in pieces) for pieces in found] for cell, found in words.items()}
    if not _is_table(texts, owner, xs, ys):
        return None
    rows = [[_shown(texts, owner, r, c, len(xs) - 1) for c in range(len(xs) - 1)] for r in range(len(ys) - 1)]
    return Ruled(box, xs, [row for row in rows if any(row)])


def _labels_a_number(pieces: Sequence[Piece]) -> bool:
    """Tell whether a line in a cell is a label and, wide apart, a number."""
    return len(pieces) > 1 and is_value(pieces[-1].text) and pieces[0].text[0].isalpha()


def _is_table(
    texts: dict[Place, list[str]],
    owner: Owner,
    xs: list[float],
    ys: list[float],
) -> bool:
    """Tell a table from a frame, a layout, and from a table without lines between its rows."""
    if len(texts) < 3 or sum(len(line) for cell in texts.values() for line in cell) > MAX_CELL * len(texts):
        return False
    stacked: dict[int, int] = {}
    for (r, _), found in texts.items():
        stacked[r] = stacked.get(r, 0) + (sum(is_value(text) and not is_year(text) for text in found) > 1)
    if any(count > 1 for count in stacked.values()):
        return False
    areas: dict[tuple[int, int], float] = {}
    for (r, c), cell in owner.items():
        areas[cell] = areas.get(cell, 0.0) + (xs[c + 1] - xs[c]) * (ys[r] - ys[r + 1])
    return max(areas.values()) < MAX_FRAME * sum(areas.values())


def _merged(rules: Rules, xs: list[float], ys: list[float]) -> Owner:
    """Return the upper left cell of the cell that each place belongs to: places with no line between them are one."""
    owner = {(r, c): (r, c) for r in range(len(ys) - 1) for c in range(len(xs) - 1)}

    def root(cell: tuple[int, int]) -> tuple[int, int]:
        while owner[cell] != cell:
            cell = owner[cell]
        return cell

    for r, c in list(owner):
        if c and not _crosses(rules.down, xs[c], (ys[r] + ys[r + 1]) / 2):
            owner[root((r, c))] = root((r, c - 1))
        if r and not _crosses(rules.across, ys[r], (xs[c] + xs[c + 1]) / 2):
            one, two = sorted((root((r, c)), root((r - 1, c))))
            owner[two] = one
    return {cell: root(cell) for cell in owner}


def _crosses(lines: Sequence[tuple[float, float, float]], at: float, between: float) -> bool:
    return any(abs(place - at) <= SHORT and start - NEAR <= between <= end + NEAR for place, start, end in lines)


def _shown(texts: dict[Place, list[str]], owner: Owner, r: int, c: int, width: int) -> str:
    """Return what a place shows: the words of its cell, again in each place that it spans; a number once."""
    cell = owner[r, c]
    text = join_wrapped(texts.get(cell, []))
    if cell == (r, c) or not text:
        return text
    if is_value(text) and not is_year(text):
        return ""
    alone = all(owner[r, j] == cell for j in range(width))
    return "" if alone or (cell[1] == 0 and c > 0) else text
