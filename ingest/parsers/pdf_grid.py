"""A region of numbers becomes a grid: wrapped labels joined, headings given to the columns they stand over."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from ingest.parsers.grid import Grid
from ingest.parsers.pdf_head import by_rules
from ingest.parsers.pdf_labels import HANGS, joined_labels
from ingest.parsers.pdf_lines import Line, Piece
from ingest.parsers.pdf_rows import Region, split_piece

LONGEST_WORDS = 24  # characters of words in a column between labels and numbers
MIDDLE = 0.06  # of the width of all columns that a heading over all of them may be off the middle
OFF_BLOCK = 0.18  # of the width of a block of columns that a heading over all of it may be off its middle
CENTRED = 2.5  # points that words of one heading may be off its middle or edge
_PERIOD = re.compile(
    r"ended|ending|months|weeks|years?|quarter|fiscal|as of|\d{4}|年|月|本期|上期|期末|期初", re.IGNORECASE
)
BARE = 15.0  # points: what leaving a column without a heading costs against misplacing one
_PLACES: tuple[Callable[[Piece], float], ...] = (lambda p: (p.x0 + p.x1) / 2, lambda p: p.x0, lambda p: p.x1)


def to_grid(
    region: Region, *, caption: str, notes: Sequence[str], page: int | None, head_of: Region | None = None
) -> Grid:
    """Write a region as a grid: the label first, then one cell a column. `head_of` is the table it goes on from."""
    source = head_of or region
    words, grid = _word_columns(region), _head_rows(source)
    if words:
        grid = [_part(row, line, source, words) for row, line in zip(grid, source.head, strict=True)]
    heads = len(grid)
    indents = [line.x0 for line in source.head]
    for row, label, indent in joined_labels(region.rows):
        cells = [""] * len(region.columns)
        for cell in row.cells:
            cells[_column(region, cell)] = cell.text
        texts = _texts(row.label[1:], words)
        for text in reversed([text for text in texts if text]):
            label = label.removesuffix(text).strip()
        grid.append([label, *texts, *cells])
        indents.append(indent)
    region.currency = next((c.text[0] for r in region.rows for c in r.cells if c.text[0] in "$€£¥￥"), source.currency)
    return Grid(
        grid, caption=caption, notes=notes, header_rows=heads, indents=indents, page=page, currency=source.currency
    )


def _word_columns(region: Region) -> list[float]:
    """Return the middles of columns of words between labels and numbers ("Note 5", "七、4", dates); mostly none."""
    counts = Counter(len(row.label) for row in region.rows if row.cells and len(row.label) > 1)
    size, rows = max(counts.items(), key=lambda item: item[1], default=(1, 0))
    if rows < 3:
        return []
    full = [row.label[1:] for row in region.rows if row.cells and len(row.label) == size]
    middles = []
    for column in zip(*full, strict=True):
        middle = statistics.median((p.x0 + p.x1) / 2 for p in column)
        left = statistics.median(p.x0 for p in column)
        aligned = all(abs(p.x0 - left) < 6 or abs((p.x0 + p.x1) / 2 - middle) < 6 for p in column)
        if not aligned or max(len(p.text) for p in column) > LONGEST_WORDS:
            return []
        middles.append(middle)
    return middles


def _texts(pieces: Sequence[Piece], columns: Sequence[float]) -> list[str]:
    """Give pieces to the columns of words they stand nearest to."""
    texts = [""] * len(columns)
    for piece in pieces if columns else ():
        j = min(range(len(columns)), key=lambda j: abs(columns[j] - (piece.x0 + piece.x1) / 2))
        texts[j] = f"{texts[j]} {piece.text}".strip()
    return texts


def _part(row: list[str], line: Line, region: Region, columns: Sequence[float]) -> list[str]:
    """Part the label's cell of a heading row into that and the headings of the columns of words."""
    own = [piece for piece in line.pieces if piece.x1 < region.left and piece.text in row[0]]
    first = [piece for piece in own if abs(piece.x0 - region.label_left) < LONGEST_WORDS]
    rest = _texts([piece for piece in own if piece not in first], columns)
    return [" ".join(piece.text for piece in first), *rest, *row[1:]]


def _column(region: Region, piece: Piece) -> int:
    """Return the column a piece falls into, the nearest where it falls into none."""
    shared = [min(x1, piece.x1) - max(x0, piece.x0) for x0, x1 in region.columns]
    off = [abs(x0 + x1 - piece.x0 - piece.x1) for x0, x1 in region.columns]
    return min(range(len(off)), key=lambda j: (-max(0.0, shared[j]), off[j]))


def _head_rows(region: Region) -> list[list[str]]:
    """Return the heading lines as rows: the label's cell first, then one a column.

    A line with a piece for each column tells how wide the columns are, which the numbers alone do not. Lines of one
    piece come last: whether it heads all columns shows when the other lines leave one bare.
    """
    edge = min(region.left - 2 * (region.head[0].height if region.head else 0.0), region.label_edge)
    labels = [[p for p in line.pieces if _is_label(p, edge, region)] for line in region.head]
    heads = [
        [part for p in line.pieces[len(own) :] for part in split_piece(p)]
        for line, own in zip(region.head, labels, strict=True)
    ]
    columns = [(x0, x1) for x0, x1 in region.columns]
    full = [pieces for pieces in heads if len(pieces) == len(columns)]
    for pieces in full:
        both = zip(columns, pieces, strict=True)
        columns = [(min(x0, p.x0), max(x1, p.x1)) for (x0, x1), p in both]
    blocks = _blocks(heads, len(columns))
    ruled = [by_rules(pieces, region.head[i:], region) for i, pieces in enumerate(heads)]
    cells = [
        on_rule or (_over(pieces, columns, full, blocks) if len(pieces) != 1 else [])
        for pieces, on_rule in zip(heads, ruled, strict=True)
    ]
    bare = [j for j in range(len(columns)) if not any(row[j] for row in cells if row)]
    rows = []
    for own, pieces, row in zip(labels, heads, cells, strict=True):
        if len(pieces) == 1 and not row:
            row = _give_one(pieces[0], columns, bare if len(bare) < len(columns) else [], blocks, region.label_edge)
        rows.append([" ".join(piece.text for piece in own), *row])
    return rows


def _over(
    heads: Sequence[Piece], columns: Sequence[tuple[float, float]], full: Sequence[Sequence[Piece]], blocks: set[int]
) -> list[str]:
    """Give the pieces of a heading line to columns: to repeats below them, to headings below them, else as they fit."""
    count = len(columns)
    runs = [(a, b) for a, b in pairwise(sorted(blocks)) if b - a > 1]
    if not runs or len(runs) != len(heads):
        return _below(heads, full) or _give(heads, columns, blocks)
    below, reaches = _below(heads, full), _reaches(columns)
    spread = [(columns[a][0], reaches[a][0], columns[b - 1][1]) for a, b in runs]
    offs = [
        min(_off(piece, left, right), _off(piece, reach, right)) / (right - left)
        for piece, (left, reach, right) in zip(heads, spread, strict=True)
    ]
    aligned = all(abs(piece.x1 - right) < CENTRED for piece, (*_, right) in zip(heads, spread, strict=True))
    if max(offs) > OFF_BLOCK and (below or not aligned):  # "Percent change" over the last three of five
        return below or _give(heads, columns, set(range(count + 1)))
    given = [piece.text for piece, (a, b) in zip(heads, runs, strict=True) for _ in range(a, b)]
    return [*[""] * (count - len(given)), *given]


def _below(heads: Sequence[Piece], full: Sequence[Sequence[Piece]]) -> list[str]:
    """Give pieces to the columns whose headings, in a line with one a column, they are centred or aligned with."""
    tries = (_aligned(heads, line, place) for line in full if len(heads) < len(line) for place in _PLACES)
    return next((cells for cells in tries if cells), [])


def _aligned(heads: Sequence[Piece], line: Sequence[Piece], place: Callable[[Piece], float]) -> list[str]:
    """Give each piece to the heading of a line that stands at the same place; [] where one stands at none."""
    cells = [""] * len(line)
    for piece in heads:
        offs = [abs(place(p) - place(piece)) for p in line]
        j = offs.index(min(offs))
        over = [p for p in line if p.x0 < piece.x1 and p.x1 > piece.x0]
        if offs[j] > CENTRED or cells[j] or len(over) > 1:
            return []
        cells[j] = piece.text
    return cells


def _blocks(heads: Sequence[Sequence[Piece]], count: int) -> set[int]:
    """Return where the columns may be parted by a heading above: anywhere, or between repeats of "2022 2021 2020"."""
    for pieces in heads:
        names = [piece.text for piece in pieces]
        for size in range(2, count // 2 + 1):
            if len(names) == count and names[-size:] == names[-2 * size : -size]:
                first = count % size
                return {*range(first + 1), *range(first, count + 1, size)}
    return set(range(count + 1))


def _is_label(piece: Piece, edge: float, region: Region) -> bool:
    """Tell whether a piece of a heading line heads the labels."""
    if piece.x1 <= edge or (piece.x0 + piece.x1) / 2 < edge:
        return True
    return piece.x0 <= region.label_left + HANGS and piece.x1 < region.left


def _give_one(
    piece: Piece, columns: Sequence[tuple[float, float]], bare: Sequence[int], blocks: set[int], edge: float
) -> list[str]:
    """Give a lone heading piece to the column without another heading that it stands at, else where it fits best.

    In the middle between the end of the labels (`edge`) or the first number and the last column it heads all columns.
    """
    at = [j for j in bare if piece.x0 - 4 <= columns[j][1] and piece.x1 + 4 >= columns[j][0]]
    if at:
        return [piece.text if j in at else "" for j in range(len(columns))]
    first, last = columns[0][0], columns[-1][1]
    off = min(_off(piece, first, last), _off(piece, min(edge, first), last))
    if len(columns) > 1 and off < max(CENTRED, MIDDLE * (last - first)):
        return [piece.text] * len(columns)
    return _give([piece], columns, blocks)


def _give(heads: Sequence[Piece], columns: Sequence[tuple[float, float]], blocks: set[int]) -> list[str]:
    """Give heading pieces to runs of columns, parted at `blocks`; each stands as near as can be over its run's middle.

    "Three months | Six months" over four columns head two each. A column may stay bare, at the price of `BARE`; a run
    of several columns has to be met twice as well. Words that stand close over single columns and name no period are
    parts of their headings. Where there are more pieces than columns each goes to the nearest.
    """
    count = len(columns)
    if len(heads) > count:
        cells = [""] * count
        for piece in heads:
            j = min(range(count), key=lambda j: abs(sum(columns[j]) - piece.x0 - piece.x1))
            cells[j] = f"{cells[j]} {piece.text}".strip()
        return cells
    if len(heads) == count:
        return [piece.text for piece in heads]
    single = [min(range(count), key=lambda j: abs(sum(columns[j]) - p.x0 - p.x1)) for p in heads]
    near = all(abs(sum(columns[j]) - p.x0 - p.x1) < 8 for j, p in zip(single, heads, strict=True))
    if near and len(set(single)) == len(heads) and not any(_PERIOD.search(p.text) for p in heads):
        return [next((p.text for k, p in zip(single, heads, strict=True) if k == j), "") for j in range(count)]
    reaches = _reaches(columns)
    best: list[list[tuple[float, tuple[str, ...]]]] = [[(BARE * j, ("",) * j) for j in range(count + 1)]]
    for piece in heads:  # best[k][j]: the first k pieces over the first j columns
        row: list[tuple[float, tuple[str, ...]]] = [(float("inf"), ())]
        for j in range(1, count + 1):
            options = [(row[j - 1][0] + BARE, (*row[j - 1][1], ""))]
            lone = len(heads) == 1
            runs = [i for i in range(j) if {i, j} <= blocks and (not lone or j - i in (1, 2, count))]
            for i in runs:
                off = _off(piece, columns[i][0], columns[j - 1][1]) if j - i == 1 else float("inf")
                off = min(
                    off, _off(piece, reaches[i][0], columns[j - 1][1]), _off(piece, columns[i][0], reaches[j - 1][1])
                )
                cost = best[-1][i][0] + off * (1 if j - i == 1 else 2)
                options.append((cost, (*best[-1][i][1], *[piece.text] * (j - i))))
            row.append(min(options, key=lambda option: option[0]))
        best.append(row)
    return list(best[-1][count][1])


def _reaches(columns: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return how far the cells of columns may reach: figures stand at their right, or at their left."""
    ends = [x1 for _, x1 in columns]
    pitch = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else ends[0] - columns[0][0]
    starts = [min(columns[0][0], ends[0] - pitch), *ends[:-1]]
    return list(zip(starts, [*(x0 for x0, _ in columns[1:]), max(ends[-1], columns[-1][0] + pitch)], strict=True))


def _off(piece: Piece, x0: float, x1: float) -> float:
    """Return how far the middle of a piece is from that of an interval."""
    return abs(x0 + x1 - piece.x0 - piece.x1) / 2
