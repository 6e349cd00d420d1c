"""Row lines as people read tables: `CAPTION (UNIT) | LABEL | COLUMN: VALUE | ...` to HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from app.web.escape import Inline, escape

_BAR = " | "
_SHORT = 24
_LINE = re.compile(r"[^\n]+")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row line taken apart; the spans count from where `at` says the line begins."""

    caption: str
    columns: tuple[str, ...]
    label: Span
    cells: tuple[Span, ...]
    line: Span


def read_row(line: str, at: int = 0, columns: Sequence[str] = ()) -> RowLine | None:
    """Take a row line apart, or return None when it is none.

    Args:
        line: one line of text.
        at: offset of the line in its text; added to every span.
        columns: known names of columns; without them a name ends at the first ": ".
    """
    pieces: list[Span] = []
    start = 0
    for piece in line.split(_BAR):
        pieces.append((start, start + len(piece)))
        start += len(piece) + len(_BAR)
    names = [_column(line[a:b], columns) for a, b in pieces]
    first = next((i for i, name in enumerate(names) if i and name is not None), None)
    if first is None:
        return None
    values = [(a + (0 if name is None else len(name) + 2), b) for (a, b), name in zip(pieces, names, strict=True)]
    label = pieces[first - 1]
    return RowLine(
        caption=line[: max(label[0] - len(_BAR), 0)],
        columns=tuple(name or "" for name in names[first:]),
        label=(at + label[0], at + label[1]),
        cells=tuple((at + a, at + b) for a, b in values[first:]),
        line=(at, at + len(line)),
    )


def _column(piece: str, columns: Sequence[str]) -> str | None:
    """Return the name before the value, or None when the piece has no name."""
    for name in sorted(columns, key=len, reverse=True):
        if name and piece.startswith(f"{name}: "):
            return name
    name, sign, _ = piece.partition(": ")
    return name if sign else None


def blocks(text: str, columns: Sequence[str] = ()) -> list[RowLine | Span]:
    """Return the lines of a text in order: rows taken apart, other lines as spans; empty lines are dropped."""
    lines = (line for line in _LINE.finditer(text) if line.group().strip())
    return [read_row(line.group(), line.start(), columns) or line.span() for line in lines]


def table_html(rows: Sequence[RowLine], render: Inline, ends: Sequence[str] = ()) -> str:
    """Return rows as tables, one for each run of rows with the same caption and columns.

    Args:
        rows: the rows in order.
        render: gives the HTML of a span of the text the rows were read from.
        ends: trusted HTML for the end of each row (markers of an answer); none when empty.
    """
    numbered = list(enumerate(rows))
    tables: list[str] = []
    for (caption, columns), group in groupby(numbered, key=lambda pair: (pair[1].caption, pair[1].columns)):
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
        last = "<td></td>" if ends else ""
        body = "".join(_row(row, render, ends[i] if ends else None) for i, row in group)
        title = f"<caption>{escape(caption)}</caption>" if caption else ""
        tables.append(
            f'<div class="con-scroll" tabindex="0"><table class="con-table">{title}<thead>'
            f"<tr><td></td>{head}{last}</tr></thead><tbody>{body}</tbody></table></div>"
        )
    return "".join(tables)


def _row(row: RowLine, render: Inline, end: str | None) -> str:
    cells = "".join(f"<td{_short(span)}>{render(*span)}</td>" for span in row.cells)
    tail = "" if end is None else f'<td class="con-end">{end}</td>'
    return f'<tr><th scope="row">{render(*row.label)}</th>{cells}{tail}</tr>'


def _short(span: Span) -> str:
    """Return the class of a cell that is kept on one line: "$ 34,229" must not be torn apart."""
    return ' class="con-short"' if span[1] - span[0] <= _SHORT else ""
