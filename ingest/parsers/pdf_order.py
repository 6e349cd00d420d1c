"""Reading order of pages set in two columns.

Lines are cut at a gutter when most of the page runs in two columns of text; otherwise the order from top to bottom
stands. More than two columns are not looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsers.pdf_lines import Line, Piece

_LEAST = 10  # lines that must begin a piece of text right of the gutter
_FILLED = 0.75  # of a column's width that a line of prose reaches
_LABEL = 0.9  # of the way to the gutter that the label of a row over both columns reaches, at most
_PROSE = 0.3  # of the lines of a side have to be prose; the rest may be a table in that column


def reading_order(lines: list[Line], width: float) -> list[Line]:
    """Return the lines with those of two columns one after the other, each told the right edge of its column."""
    edge = max((line.x1 for line in lines), default=0.0)
    for line in lines:
        line.right = edge
    gutter = _gutter(lines, width)
    if gutter is None:
        return lines
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in lines:
        over = any(piece.x0 < gutter - 2 and piece.x1 > gutter + 2 for piece in line.pieces)
        if over or _is_row(line, gutter):
            ordered += [*left, *right, line]
            left, right = [], []
            continue
        _put(left, [piece for piece in line.pieces if piece.x1 <= gutter + 2], line, gutter)
        _put(right, [piece for piece in line.pieces if piece.x1 > gutter + 2], line, edge)
    return ordered + left + right


def _is_row(line: Line, gutter: float) -> bool:
    """Tell whether a line is the row of a table over both columns: a label left of the gutter, figures right of it."""
    label = [piece for piece in line.pieces if piece.x1 <= gutter + 2]
    rest = [piece for piece in line.pieces if piece.x1 > gutter + 2]
    figures = sum(any(char.isdigit() for char in piece.text) for piece in rest)
    plain = all(not any(char.isalpha() for char in piece.text) for piece in rest)
    return len(label) == 1 and figures > 1 and plain and label[0].x1 < _LABEL * gutter


def _put(side: list[Line], pieces: list[Piece], line: Line, edge: float) -> None:
    if pieces:
        side.append(Line(pieces, line.bottom, line.top, line.bold, edge, under=line.under, ruled=line.ruled))


def _gutter(lines: Sequence[Line], width: float) -> float | None:
    """Return the x of a gutter: text begins there in many lines, few cross it, and one side of it at least is prose.

    A table's columns of labels and figures are no columns of text: their lines are not filled.
    """
    middle = [p.x0 for line in lines for p in line.pieces if 0.35 * width < p.x0 < 0.65 * width and _is_text(p)]
    if not middle:
        return None
    counts = [(sum(x0 <= other < x0 + 20 for other in middle), -x0) for x0 in set(middle)]
    count, start = max(counts)
    if count < max(_LEAST, 0.3 * len(lines)):
        return None
    gutter = -start - 3
    crossing = sum(any(p.x0 < gutter < p.x1 for p in line.pieces) for line in lines)
    if crossing > 0.35 * len(lines):
        return None
    left = [[p for p in line.pieces if p.x1 <= gutter] for line in lines]
    right = [[p for p in line.pieces if p.x0 >= gutter] for line in lines]
    return gutter if _is_prose(left) or _is_prose(right) else None


def _is_prose(side: Sequence[Sequence[Piece]]) -> bool:
    """Tell whether enough lines on a side are one piece of text that fills the column."""
    rows = [pieces for pieces in side if pieces]
    if len(rows) < _LEAST:
        return False
    x0, x1 = min(pieces[0].x0 for pieces in rows), max(pieces[-1].x1 for pieces in rows)
    filled = sum(len(p) == 1 and len(p[0].text) > 25 and p[0].x1 - x0 > _FILLED * (x1 - x0) for p in rows)
    return filled >= _PROSE * len(rows)


def _is_text(piece: Piece) -> bool:
    return sum(char.isalpha() for char in piece.text) > 0.5 * len(piece.text)
