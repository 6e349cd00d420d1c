"""Reading order of pages set in two columns.

Lines are cut at a gutter when most of the page runs in two columns of text; otherwise the order from top to bottom
stands. More than two columns are not looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsers.pdf_lines import Line, Piece

_LEAST = 10  # lines that must have text on both sides of the gutter
_TEXT = 20  # characters that make a side text rather than a table cell


def reading_order(lines: list[Line], width: float) -> list[Line]:
    """Return the lines with those of two columns one after the other; unchanged where there is one column."""
    gutter = _gutter(lines, width)
    if gutter is None:
        return lines
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in lines:
        if any(piece.x0 < gutter - 2 and piece.x1 > gutter + 2 for piece in line.pieces):
            ordered += left + right + [line]
            left, right = [], []
            continue
        for side, pieces in (
            (left, [p for p in line.pieces if p.x1 <= gutter + 2]),
            (right, [p for p in line.pieces if p.x1 > gutter + 2]),
        ):
            if pieces:
                side.append(Line(pieces, line.bottom, line.top, line.bold))
    return ordered + left + right


def _gutter(lines: Sequence[Line], width: float) -> float | None:
    """Return the x of a gutter that most lines respect, with text on both sides; None where there is none."""
    pairs = [
        (a, b)
        for line in lines
        for a, b in zip(line.pieces, line.pieces[1:], strict=False)
        if _is_text(a) and _is_text(b) and len(line.pieces) == 2 and 0.25 * width < a.x1 < 0.7 * width
    ]
    if len(pairs) < max(_LEAST, 0.4 * len(lines)):
        return None
    low, high = (
        max(sorted(a.x1 for a, _ in pairs)[: int(0.95 * len(pairs)) + 1]),
        min(sorted(b.x0 for _, b in pairs)[int(0.05 * len(pairs)) :]),
    )
    return (low + high) / 2 if high > low else None


def _is_text(piece: Piece) -> bool:
    return len(piece.text) >= _TEXT and sum(char.isdigit() for char in piece.text) < 0.3 * len(piece.text)
