"""Tables of words on a page: lines of three and more short pieces that begin at the same places.

Numbers in columns are the business of `ingest.parsers.pdf_tables`, which looks first; this sees only the lines that are
left. A line that brings nothing for the first column goes on with the cells above it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsers.pdf_lines import Line, Piece

ALIGNED = 5.0  # points that the beginnings of the cells of a column may differ
LEAST_ROWS = 3  # the heading and two more
LONGEST = 60  # characters of a cell in one line, on average; longer ones are columns of prose
WRAP = 0.45  # of the line height: a smaller gap goes on with the row, where only the first column does


def word_tables(lines: Sequence[Line]) -> list[tuple[int, int, list[list[str]]]]:
    """Return (first line, line behind the last, rows) of the tables of words among the lines; row 0 is the heading."""
    found = []
    i = 0
    while i < len(lines):
        rows, end = _grow(lines, i)
        if len(rows) >= LEAST_ROWS:
            found.append((i, end, rows))
            i = end
        else:
            i += 1
    return found


def _grow(lines: Sequence[Line], start: int) -> tuple[list[list[str]], int]:
    first = lines[start]
    if len(first.pieces) < 3 or sum(len(piece.text) for piece in first.pieces) > LONGEST * len(first.pieces):
        return [], start
    starts = [piece.x0 for piece in first.pieces]
    rows = [[piece.text for piece in first.pieces]]
    end = start + 1
    for line, last in zip(lines[end:], lines[start:], strict=False):
        places = _places(line.pieces, starts)
        gap = last.bottom - line.top
        if places is None or gap > 1.6 * line.height:
            break
        if 0 not in places or (len(places) == 1 and gap < WRAP * line.height):
            for j, piece in zip(places, line.pieces, strict=True):
                rows[-1][j] = f"{rows[-1][j]} {piece.text}".strip()
        elif len(places) > 1:
            rows.append([""] * len(starts))
            for j, piece in zip(places, line.pieces, strict=True):
                rows[-1][j] = piece.text
        else:
            break
        end += 1
    full = sum(sum(bool(cell) for cell in row) >= 3 for row in rows)
    contents = all(row[-1].isdigit() or not row[-1] for row in rows[1:])  # page numbers
    return (rows, end) if full >= LEAST_ROWS and not contents else ([], start)


def _places(pieces: Sequence[Piece], starts: Sequence[float]) -> list[int] | None:
    """Return the column of each piece, None where one begins elsewhere or two in the same."""
    places = []
    for piece in pieces:
        near = [j for j, x0 in enumerate(starts) if abs(piece.x0 - x0) <= ALIGNED]
        if len(near) != 1:
            return None
        places.append(near[0])
    return places if len(set(places)) == len(places) else None
