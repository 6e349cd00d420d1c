"""Lines of all pages become paragraphs, headings and tables, also where they go on over a page break."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ingest.clean import HAN_SIDE, join_wrapped
from ingest.parsers.blocks import Block, Prose, Title
from ingest.parsers.grid import Grid, is_value
from ingest.parsers.notice import period_of, strip_notice
from ingest.parsers.pdf_grid import to_grid
from ingest.parsers.pdf_lines import Line
from ingest.parsers.pdf_rows import Region
from ingest.parsers.pdf_ruled import Ruled, Standing, heading_rows
from ingest.parsers.pdf_tables import find_regions
from ingest.parsers.pdf_words import word_tables

_TERMINAL = re.compile(r"[.!?。！？：:;；”\"'’)）]$")
_SENTENCE = re.compile(r"[.!?。！？:：]$")
_BULLET = re.compile(
    r"^(?:[•●▪■◦–—*·□√]\s?|[(（]?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4}|[一二三四五六七八九十]{1,3})"
    r"(?:[.)）]\s+|、|[)）](?=[A-Z\u4e00-\u9fff])))\S"
)
_PART = re.compile(
    r"^(?:part\s+[ivx]+\b|item\s+\d+[a-c]?\.?\b|第[一二三四五六七八九十百\d]+[章节節编篇])", re.IGNORECASE
)
_ZH_HEADING = re.compile(r"^(?:[一二三四五六七八九十]{1,3}、|[(（][一二三四五六七八九十]{1,3}[)）]|\d{1,2}、)")
_STATEMENT = re.compile(
    r"(?:(?:condensed|consolidated|combined|unaudited|interim)\s+){1,3}(?:statements?\s+of|balance\s+sheets?)\b.{0,60}",
    re.IGNORECASE,
)
_ZH_STATEMENT = re.compile(
    r"(?:合并|母公司|公司|簡明|简明|综合|合併)*(?:资产负债|利润|现金流量|所有者权益变动|股东权益变动|损益|綜合損益|資產負債|現金流量|權益變動)表"
)
_LETTERS = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"[a-z]+(?:-[a-z]+)*")
_HAN = re.compile(HAN_SIDE)
_DATED = re.compile(
    r"(?:as of|at|for the|years?|fiscal|three|six|nine|twelve|months?|quarters?|ended|\d{4}|\d{1,2} weeks)\b", re.I
)
_TABULAR = re.compile(
    r"\b(?:tabular|tables?)\b[^.]{0,60}\bin\s+(?:thousands|millions|billions)\b[^.]{0,60}", re.IGNORECASE
)
_NOTES = re.compile(r"(?:\w+\W+){0,6}notes?\s+to\b.{0,60}\bstatements\b.{0,40}", re.IGNORECASE)
LONG_TITLE = 160  # characters
SHORT = 0.35  # of the column's width left free: the paragraph has ended there, whatever its last sign


def page_blocks(pages: Sequence[Sequence[Line]], standing: Sequence[str] = ()) -> list[Block]:
    """Return the blocks of all pages, in order; `standing` is a notice of scale that holds on each page, or ""."""
    return _Pages(pages, standing).blocks


class _Pages:
    """The blocks so far, and what may go on over a page break."""

    def __init__(self, pages: Sequence[Sequence[Line]], standing: Sequence[str]) -> None:
        self.blocks: list[Block] = []
        self.body = _body_height(pages)
        self.words: Counter[str] = Counter()
        for lines in pages:
            for line in lines:
                self.words.update(_WORDS.findall(line.text.lower()))
        self._table: Region | None = None
        self._grid: Grid | None = None
        self._ruled: Standing | None = None
        self._since: list[Title] = []  # headings since that table
        self._open = False  # the last paragraph of the page before may go on
        self._notice = ""  # "tabular dollars are in millions": holds until another one
        for number, lines in enumerate(pages, start=1):
            self._standing = standing[number - 1] if number <= len(standing) else ""
            self._page(lines, number)

    def _page(self, lines: Sequence[Line], page: int) -> None:
        at = 0
        for i, line in enumerate(lines):
            if line.ruled is not None:
                self._stretch(lines[at:i], page)
                self._add_ruled(line.ruled, lines[max(at, i - 4) : i], page, top=i == 0)
                at = i + 1
        self._stretch(lines[at:], page)

    def _stretch(self, lines: Sequence[Line], page: int) -> None:
        """Add lines without a ruled table among them: tables of numbers, and what lies between."""
        at = 0
        if lines:
            self._ruled = None
        for first, end, region in find_regions(lines):
            self._prose(lines[at:first], page)
            if _interrupts(lines[at:first]):
                self._table = None
            self._add_table(region, page, top=at == 0)
            at = end
        self._prose(lines[at:], page)
        if _interrupts(lines[at:]):
            self._table = None

    def _add_ruled(self, table: Ruled, above: Sequence[Line], page: int, *, top: bool) -> None:
        """Add a ruled table; one at the top of a page, with the columns of the table before, goes on from that."""
        rows, before = table.rows, self._ruled
        caption, notes = self._notes([line.text for line in reversed(above)])
        if top and before is not None and before.goes_on(table):
            caption, notes = before.caption, before.notes
            rows = [*before.head, *rows] if rows[: len(before.head)] != before.head else rows
        heads = heading_rows(rows)
        titles = [row[0] for row in rows[: heads + 1] if not any(row[1:])]
        self._ruled = Standing(table.edges, rows[:heads], caption, notes)
        self.blocks.append(Grid(rows, caption=caption, notes=[*titles, *notes], header_rows=heads, page=page))
        self._table, self._grid, self._since, self._open = None, None, [], False

    def _add_table(self, region: Region, page: int, *, top: bool) -> None:
        caption, notes = self._caption(region)
        before, last = self._table, self._grid
        if before is not None and last is not None and _goes_on(before, region, top=top):
            caption = caption if self._since else last.caption
            grid = to_grid(region, caption=caption, notes=[*notes, *last.notes], page=page, head_of=before)
            region.head = before.head
            if len(before.columns) == len(region.columns):
                region.columns = before.columns
        else:
            again = before is not None and last is not None and top and _same_head(before, region)
            if again and last is not None:  # the heading is repeated on the next page
                caption, notes = last.caption, [*notes, *last.notes]
            elif last is not None and before is not None and last.page == page and _siblings(before, region):
                notes = [*notes, *last.notes]
            grid = to_grid(region, caption=caption, notes=notes, page=page)
        self.blocks.append(grid)
        self._table, self._grid, self._since, self._open = region, grid, [], False

    def _caption(self, region: Region) -> tuple[str, list[str]]:
        """Return what a table is called, and the nearby lines that may tell its scale, nearest first."""
        return self._notes(
            [" ".join(line.text for line in region.head), *(line.text for line in reversed(region.above))]
        )

    def _notes(self, near: list[str]) -> tuple[str, list[str]]:
        caption = self._name()
        return caption, [*near, caption, self._standing, self._notice]

    def _name(self) -> str:
        """Return the nearest heading, or the nearest line with a colon, that is not merely a date."""
        recent = self.blocks[-40:]
        for block in reversed(recent[-4:]):
            if isinstance(block, Grid):
                break
            names = isinstance(block, Title) or (len(block.text) < 200 and block.text.endswith((":", "：")))
            if names and not _is_period(block.text):
                return block.text
        titles = [block.text for block in reversed(recent) if isinstance(block, Title) and not _is_period(block.text)]
        return titles[0] if titles else ""

    def _prose(self, lines: Sequence[Line], page: int) -> None:
        """Add what lies between tables of numbers: tables of words, and paragraphs."""
        at = 0
        for first, end, rows in word_tables(lines):
            self._paragraphs(lines[at:first], page)
            heads = not any(is_value(cell) for cell in rows[0])
            self.blocks.append(Grid(rows, caption=self._name(), header_rows=int(heads), page=page))
            self._open = False
            at = end
        self._paragraphs(lines[at:], page)

    def _paragraphs(self, lines: Sequence[Line], page: int) -> None:
        paragraph: list[Line] = []
        leading = _leading(lines)
        for line in lines:
            if paragraph and _breaks(paragraph, line, leading):
                self._end(paragraph, page)
                paragraph = []
            paragraph.append(line)
        if paragraph:
            self._end(paragraph, page)

    def _end(self, lines: Sequence[Line], page: int) -> None:
        text = join_wrapped([line.text for line in lines], self.words)
        if not text:
            return
        tabular = _TABULAR.search(text)
        above = [block.text for block in self.blocks[-3:] if isinstance(block, Title | Prose)]
        of_notes = any(map(_NOTES.fullmatch, above)) and not strip_notice(text)
        self._notice = tabular.group() if tabular else text if of_notes else self._notice
        level = self._level(lines, text)
        if level:
            title = Title(text, level, page)
            self.blocks.append(title)
            self._since.append(title)
            self._open = False
            return
        last = self.blocks[-1] if self.blocks else None
        small = text[0].islower() or _HAN.match(text) is not None
        runs_on = self._open and small and isinstance(last, Prose) and last.page != page
        self.blocks.append(Prose(text, page, runs_on))
        self._open = not _TERMINAL.search(text) and _free(lines[-1]) < SHORT

    def _level(self, lines: Sequence[Line], text: str) -> int:
        """Return the level of a heading, 0 for a paragraph."""
        if any(sum(is_value(piece.text) for piece in line.pieces) > 1 for line in lines):
            return 0  # a row of figures
        ended = text.endswith((".", "。", ",", ";", "；", "，"))
        if len(text) > LONG_TITLE or len(lines) > 3 or len(_LETTERS.findall(text)) < 3 or ended:
            return 2 if _PART.match(text) and len(text) < 90 and lines[0].bold else 0
        size = lines[0].height / self.body
        bold = all(line.bold for line in lines)
        if _PART.match(text) and len(text) < 90 and (bold or size > 1.05 or text.startswith("第")):
            return 1
        if size > 1.12:
            return 1 if size > 1.4 else 2
        if bold:
            return 2 if text.isupper() else 3
        if _STATEMENT.fullmatch(text):
            return 3
        if (_ZH_HEADING.match(text) and len(text) < 30) or _ZH_STATEMENT.fullmatch(text):
            return 4
        return 3 if text.isupper() and len(text) > 8 and " " in text else 0


def _is_period(text: str) -> bool:
    """Tell whether a heading only names dates or a scale: "Years ended December 31"."""
    bare = strip_notice(text)
    return not bare or (len(bare) < 70 and _DATED.match(bare) is not None and period_of(f"{bare} 2000") is not None)


def _free(line: Line) -> float:
    """Return the share of the column's width that a line leaves free at its right."""
    return (line.right - line.x1) / max(1.0, line.right - line.x0)


def _breaks(paragraph: Sequence[Line], line: Line, leading: float) -> bool:
    """Tell whether a new paragraph begins at `line`."""
    last = paragraph[-1]
    height = last.height
    gap = last.bottom - line.top
    if gap > max(0.45 * height, leading + 0.3 * height) or gap < -3 * height:
        return True
    if abs(line.height - height) > 0.15 * height or (line.bold != last.bold and (len(paragraph) < 3 or line.bold)):
        return True
    if _BULLET.match(line.text) or _PART.match(line.text) or _ZH_HEADING.match(line.text):
        return True
    if _HAN.match(last.text[-1]) and last.right - last.x1 > 2.2 * height:
        return True
    ended = _TERMINAL.search(last.text) is not None
    free = _free(last)
    set_in = line.x0 - min(p.x0 for p in paragraph) > 1.2 * height
    return (ended and (free > 0.15 or set_in)) or free > SHORT


def _interrupts(lines: Sequence[Line]) -> bool:
    """Tell whether text between two tables parts them: sentences, or many lines."""
    long = [line for line in lines if len(line.text) > 60]
    return len(lines) > 15 or len(long) > 3 or any(_SENTENCE.search(line.text) or len(line.text) > 140 for line in long)


def _goes_on(before: Region, region: Region, *, top: bool) -> bool:
    """Tell whether a table without column headings goes on from the one before: over a page break, or below a note."""
    if region.head or len(region.columns) > len(before.columns):
        return False
    if top and len(region.columns) == len(before.columns):
        return True
    columns = region.columns
    return all(any(a[0] <= b[1] and b[0] <= a[1] for a in before.columns) for b in columns)


def _siblings(before: Region, region: Region) -> bool:
    """Tell whether two tables of a page have the same row labels, and so the same scale where only one says it."""
    labels = {row.label[0].text for row in before.rows if row.label and row.cells}
    return len({row.label[0].text for row in region.rows if row.label and row.cells} & labels) > 1


def _same_head(before: Region, region: Region) -> bool:
    """Tell whether a table repeats the headings of the one before."""
    heads = [line.text for line in region.head]
    return bool(heads) and heads == [line.text for line in before.head][-len(heads) :]


def _body_height(pages: Sequence[Sequence[Line]]) -> float:
    """Return the line height most characters of the document are set in."""
    heights: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            heights[round(line.height, 1)] += len(line.text)
    return heights.most_common(1)[0][0] if heights else 1.0


def _leading(lines: Sequence[Line]) -> float:
    """Return the usual white space between two lines of one paragraph, in points."""
    gaps = [a.bottom - b.top for a, b in pairwise(lines) if -2 < a.bottom - b.top < 2 * a.height]
    return max(0.0, statistics.quantiles(gaps, n=4)[0]) if len(gaps) > 3 else 0.0
