"""A grid of strings becomes a `Table` and its written form, one self-describing line a row.

    CAPTION (UNIT, SCALE) | ROW LABEL | COLUMN: VALUE | COLUMN: VALUE

The notice of scale ("in millions, except per share amounts"), wherever it stands near the table, reaches every cell it
applies to; rates, amounts per share and numbers of shares are told apart by row, by column and by section.
What grid a file holds is the parsers' business; what the words of a grid mean is decided in `ingest.parsers.notice`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ingest.clean import clean_line
from ingest.parsers.grid import Grid, find_header, merge_signs
from ingest.parsers.notice import POINTS, Measure, Notice, annotate, measure_of, period_of, read_notice, strip_notice
from ingest.parsers.sections import sections_of
from ingest.parsers.xbrl import common_scale, read_by_tag, told
from rag.numbers import parse_number
from rag.schema import Cell, Fact, Table

MAX_CAPTION = 110  # characters: the caption is repeated in every row, so it has to stay short
MAX_DATED = 60  # characters of a heading over the labels that says of when the figures are
_MONEY = re.compile(r"\(?(?:US|HK|NT|A|C|S)?[$€£¥￥]|RMB")
_DATE_GAP = re.compile(r"(?<=\d)\s+(?=[年月日])|(?<=[年月])\s+(?=\d)")
_DATED = re.compile(
    r"\b(?:ended|ending|as (?:of|at)|at [A-Z][a-z]+ \d+|months|weeks)\b|(?:19|20)\d{2}\s*年", re.IGNORECASE
)


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """The lines of a table, each ended by a newline, and the table whose offsets point into them.

    `facts` have the place of their cell; `disagreements` say where a tag and the words of the table contradict.
    """

    text: str
    table: Table
    facts: tuple[Fact, ...] = ()
    disagreements: tuple[str, ...] = ()


@dataclass(slots=True)
class _Shape:
    """A grid tidied up: `labels[j]` names column j, `short[j]` is what is printed before its values.

    `heads[j]` is the heading of column j with the scale of its own, where that is not the table's.
    `rates` are the columns of percentages, also where only the first value shows the sign. `tags[i]` are the facts of
    the cells of row i by column, `names[i]` the names of the cells.
    """

    head: list[list[str]]
    body: list[list[str]]
    indents: list[float]
    caption: str
    notice: Notice
    labels: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    rates: set[int] = field(default_factory=set)
    tags: list[dict[int, Sequence[Fact]]] = field(default_factory=list)
    names: list[dict[int, str]] = field(default_factory=list)


def write_table(grid: Grid, start: int) -> WrittenTable | None:
    """Write a grid out, with offsets counted from `start`; None where nothing is in it."""
    shape = _shape(grid)
    if shape is None or not shape.body:
        return None
    lines: list[str] = []
    rows: list[tuple[Cell, ...]] = [tuple(Cell(text, start=start, end=start) for text in row) for row in shape.head]
    periods = tuple(period_of(label) for label in shape.labels)
    at = start
    facts: list[Fact] = []
    wrong: list[str] = []
    for i, section in enumerate(sections_of(shape.body, shape.indents)):
        if section is None:
            continue
        line, cells = _write_row(shape, i, section, periods, at)
        if not line:
            continue
        lines.append(line + "\n")
        _place(shape, i, cells, facts, wrong)
        rows.append(cells)
        at += len(line) + 1
    if not lines:
        return None
    notice = shape.notice
    table = Table(
        caption=shape.caption,
        rows=tuple(rows),
        header_rows=len(shape.head),
        unit=notice.unit,
        scale=notice.scale,
        currency=notice.currency,
        periods=periods,
        page=grid.page,
        start=start,
        end=at - 1,
    )
    return WrittenTable("".join(lines), table, tuple(facts), tuple(wrong))


def _place(shape: _Shape, i: int, cells: Sequence[Cell], facts: list[Fact], wrong: list[str]) -> None:
    """Give the facts of a row the place of their cells, and say where they contradict them."""
    for j, found in shape.tags[i].items():
        cell = cells[j]
        facts += [replace(fact, start=cell.start, end=cell.end) for fact in found]
        fact = found[0]
        if cell.value is None or fact.value is None:
            continue
        amounts = {abs(cell.value * cell.scale)}
        if cell.unit == "percent":  # tagged as 45.1 or as 0.451
            amounts.add(abs(cell.value) / 100)
        if abs(fact.value) not in amounts:
            wrong.append(told(fact, cell.text, cell.value * cell.scale))


def _write_row(
    shape: _Shape, i: int, section: str, periods: tuple[str | None, ...], start: int
) -> tuple[str, tuple[Cell, ...]]:
    """Return the line of row i and its cells, whose offsets count from `start`."""
    row, names = shape.body[i], shape.names[i]
    label = f"{section} – {row[0]}" if section and row[0] else section or row[0]
    values = ((shape.heads[j], text) for j, text in enumerate(row[1:], start=1))
    measures = [Measure(), *(measure_of(shape.notice, label, head, text) for head, text in values)]
    measures = [Measure("percent") if j in shape.rates and m.unit not in POINTS else m for j, m in enumerate(measures)]
    for j, facts in shape.tags[i].items():
        measures[j], _ = read_by_tag(facts[0], measures[j], shape.notice)
    valued = [m for m, text in zip(measures[1:], row[1:], strict=True) if parse_number(text) is not None]
    note = annotate(valued, f"{shape.caption}{label}")
    lead = f"{shape.caption}{note}" if shape.caption else note.strip(" ()（）")
    line = " | ".join(part for part in (lead, label) if part)
    first = start + max(0, len(line) - len(row[0]))
    cells = [Cell(row[0], start=first, end=first + len(row[0]), name=names.get(0))]
    for j, text in enumerate(row[1:], start=1):
        if text:
            line += (" | " if line else "") + (f"{shape.short[j]}: " if shape.short[j] else "")
            line += text
        value = parse_number(text)
        end = start + len(line)
        if value is None:
            cells.append(Cell(text, period=periods[j], start=end - len(text), end=end, name=names.get(j)))
            continue
        m = measures[j]
        place = (end - len(text), end)
        cells.append(Cell(text, value, m.unit, m.scale, m.currency, periods[j], *place, names.get(j)))
    return line, tuple(cells)


def _shape(grid: Grid) -> _Shape | None:
    rows = [[clean_line(cell) for cell in row] for row in grid.rows]
    used = sorted({j for row in rows for j, cell in enumerate(row) if cell})  # a sheet may use columns A and XFD
    rows = [[row[j] if j < len(row) else "" for j in used] for row in rows]
    indents = [*grid.indents, *[0.0] * (len(rows) - len(grid.indents))]
    kept = [i for i, row in enumerate(rows) if any(row)]
    (rows, origins), indents = merge_signs([rows[i] for i in kept]), [indents[i] for i in kept]
    if not rows or not rows[0]:
        return None
    origins = [[used[j] for j in columns] for columns in origins]
    titles: list[str] = []
    count = 0
    if grid.header_rows is None:
        titles, count = find_header(rows)
    else:
        count = grid.header_rows - (len(grid.rows) - len(rows) if grid.header_rows else 0)
        count = min(max(count, 0), len(rows) - 1)
    head, body = rows[len(titles) : len(titles) + count], rows[len(titles) + count :]
    indents = indents[len(titles) + count :]
    caption = clean_line(grid.caption) or " ".join(t for t in titles if strip_notice(t))
    money = [cell for row in body for cell in row[1:] if _MONEY.match(cell)]
    rates = sum(cell.endswith("%") for row in body for cell in row[1:])
    currency_seen = " ".join(money[:3]) or grid.currency if rates <= len(money) or not money else ""
    scales = [cell for row in head for cell in row[1:] if read_notice([cell]).scale != 1]
    one = len({read_notice([cell]).scale for cell in scales}) == 1
    over_all = [cell for cell in scales if one and not strip_notice(cell)][:1]
    notice = read_notice([*(row[0] for row in head), *over_all, *titles, grid.caption, *grid.notes], currency_seen)
    lines = kept[len(titles) + count :]
    tags = [_of_row(grid.facts, i, origins) for i in lines]
    scaled = common_scale([fact for row in tags for facts in row.values() for fact in facts])
    if scaled and notice.scale == 1:  # no word near the table says it, its tags do
        notice = Notice(scaled[0], notice.unit, scaled[1], notice.shares)
    names = [_of_row(grid.names, i, origins) for i in lines]
    for row, found in zip(names, tags, strict=True):
        row.update((j, facts[0].concept) for j, facts in found.items())
    shape = _Shape(head, body, indents, "", notice, tags=tags, names=names)
    _name_columns(shape)
    shape.rates = {j for j in range(1, len(shape.labels)) if _is_rate([row[j] for row in body])}
    shape.caption = _caption(caption, shape)
    return shape


def _of_row(cells: Mapping[tuple[int, int], _T], row: int, origins: Sequence[Sequence[int]]) -> dict[int, _T]:
    """Return what is known of the cells of a row, by the column that their column became."""
    if not cells:
        return {}
    known = ((j, (row, column)) for j, columns in enumerate(origins) for column in reversed(columns))
    return {j: cells[place] for j, place in known if place in cells}


def _is_rate(column: list[str]) -> bool:
    """Tell whether a column holds percentages: its first value shows the sign, and no value a currency or thousands."""
    values = [text for text in column if parse_number(text) is not None]
    return bool(values) and values[0].endswith("%") and not any(_MONEY.match(text) or "," in text for text in values)


def _name_columns(shape: _Shape) -> None:
    """Name each column by its header cells from the top down, and shorten what all columns share."""
    width = len(shape.body[0]) if shape.body else 0
    scaled = {j for row in shape.head for j, cell in enumerate(row) if read_notice([cell]).scale == shape.notice.scale}
    general = {1, shape.notice.scale} if scaled >= set(range(1, width)) else {1}
    for j in range(width):
        parts: list[str] = []
        own = ""
        for row in shape.head:
            cell = row[j] if j < len(row) else ""
            text = _DATE_GAP.sub("", strip_notice(cell))
            if text != cell and read_notice([cell]).scale not in general:
                own = f" {cell.split('xcept')[0]}"
            if text and (not parts or parts[-1] != text):
                parts.append(text)
        shape.labels.append(" ".join(parts))
        shape.heads.append(shape.labels[-1] + own)
    shape.short = list(shape.labels)


def _caption(caption: str, shape: _Shape) -> str:
    """Return the caption without its notice, with the words that all columns share, cut to a bearable length."""
    text = strip_notice(caption).strip(" :：-–—|.。,，;；")
    shared = _shared_words([label for label in shape.labels[1:] if label])
    if shared and len(shape.labels) > 2:
        shape.short = [label[len(shared) :].strip(" ,") if label.startswith(shared) else label for label in shape.short]
        shared = shared.rstrip(" ,")
        text = f"{text}, {shared}" if text and shared.lower() not in text.lower() else text or shared
    for row in shape.head:  # "At December 31," beside "2022 | 2021"
        dated = strip_notice(row[0]).strip(" :：,，")
        if _DATED.search(dated) and len(dated) < MAX_DATED and dated.lower() not in text.lower():
            text = f"{text}, {dated}" if text else dated
    if len(text) > MAX_CAPTION:
        cut = text[:MAX_CAPTION]
        text = (cut.rsplit(" ", 1)[0] if " " in cut[40:] else cut).rstrip(" ,;") + "…"
    return text


def _shared_words(labels: list[str]) -> str:
    """Return the words all labels begin with, leaving each something of its own."""
    if len(labels) < 2:
        return ""
    first = labels[0].split(" ")
    count = 0
    while count < len(first) - 1 and all(
        len(words) > count + 1 and words[count] == first[count] for words in (label.split(" ") for label in labels)
    ):
        count += 1
    return " ".join(first[:count])
