"""PDF to blocks: paragraphs, headings and tables of each page in reading order.

Text and geometry come from PDFium; running headers, footers and page numbers are dropped. Pages without text (scans)
are listed in the metadata; reading those is the business of OCR, not done here.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import IO, Any

from ingest.clean import clean_line, close_han_gaps, is_page_number, join_wrapped, running_key, running_lines
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.pdf_lines import Line, page_lines
from ingest.parsers.pdf_order import reading_order
from ingest.parsers.pdf_tables import Region, find_regions, to_grid
from ingest.parsers.table import Grid
from rag.errors import DocumentError

EDGE = 3  # lines at the top and bottom of a page that may be running headers or footers
_TERMINAL = re.compile(r"[.!?。！？：:;；”\"'’)）]$")
_BULLET = re.compile(
    r"^(?:[•●▪■◦–—*·]\s|[(（]?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4}|[一二三四五六七八九十]{1,3})[)）.、]\s?\S)"
)
_PART = re.compile(
    r"^(?:part\s+[ivx]+\b|item\s+\d+[a-c]?\.?\b|第[一二三四五六七八九十百\d]+[章节節编篇])", re.IGNORECASE
)
_ZH_HEADING = re.compile(r"^(?:[一二三四五六七八九十]{1,3}、|[(（][一二三四五六七八九十]{1,3}[)）]|\d{1,2}、)")
_LETTERS = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"[a-z]+(?:-[a-z]+)*")


def parse_pdf(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a PDF.

    Raises:
        DocumentError: encrypted, broken beyond PDFium's repair, or without any text.
    """
    import pypdfium2 as pdfium

    try:
        pdf = pdfium.PdfDocument(stream.read())
    except pdfium.PdfiumError as error:
        raise DocumentError(_why(source, str(error))) from error
    try:
        yield _read(pdf, source)
    finally:
        pdf.close()


def _why(source: str, error: str) -> str:
    if "password" in error.lower():
        return f"{source}: the PDF is encrypted and asks for a password. Save a copy without one and ingest that."
    if "security" in error.lower():
        return f"{source}: the PDF uses a protection that cannot be opened. Save a copy without it and ingest that."
    return f"{source}: the PDF is broken and cannot be repaired ({error}). Export or download it again."


def _read(pdf: Any, source: str) -> Parsed:
    import pypdfium2 as pdfium

    pages: list[list[Line]] = []
    broken: list[int] = []
    for number in range(len(pdf)):
        try:
            page = pdf[number]
        except pdfium.PdfiumError:
            broken.append(number + 1)
            pages.append([])
            continue
        lines, width = page_lines(page)
        page.close()
        pages.append(reading_order(lines, width))
    empty = [i + 1 for i, lines in enumerate(pages) if not lines]
    if len(empty) == len(pages):
        raise DocumentError(
            f"{source}: none of the {len(pages)} pages holds text; they are scans or drawings. Run OCR on it first."
        )
    _drop_running(pages)
    info = pdf.get_metadata_dict()
    metadata: dict[str, Any] = {"pages": len(pages)}
    if empty:
        metadata["pages_without_text"] = ", ".join(map(str, empty))
    if broken:
        metadata["pages_broken"] = ", ".join(map(str, broken))
    blocks = _Blocks(pages).blocks
    return compose(
        blocks, source, kind="pdf", title=_title(info.get("Title", ""), source), pages=len(pages), metadata=metadata
    )


def _title(title: str, source: str) -> str:
    """Return the title the file claims, unless it is a file name or a placeholder."""
    title = clean_line(title)
    dull = re.search(
        r"\.(?:docx?|pdf|indd|xlsx?|html?)$|^(?:untitled|microsoft word|document\d*|print)", title, re.IGNORECASE
    )
    return "" if dull or not re.search(r"[^\W\d_]{3}|[\u4e00-\u9fff]{2}", title) else title


def _drop_running(pages: Sequence[list[Line]]) -> None:
    """Take running headers, footers and page numbers out of the pages."""
    running = running_lines([[line.text for line in lines] for lines in pages], EDGE)
    for lines in pages:
        last = len(lines) - EDGE
        lines[:] = [
            line
            for i, line in enumerate(lines)
            if not (i < EDGE or i >= last) or not (running_key(line.text) in running or is_page_number(line.text))
        ]


class _Blocks:
    """The blocks of all pages; remembers what goes on over a page break."""

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        self.blocks: list[Block] = []
        self.body = _body_height(pages)
        self.words: Counter[str] = Counter()
        for lines in pages:
            for line in lines:
                self.words.update(_WORDS.findall(line.text.lower()))
        self._table: Region | None = None
        self._grid: Grid | None = None
        self._open = False  # the last paragraph of the page before may go on
        for number, lines in enumerate(pages, start=1):
            self._page(lines, number)

    def _page(self, lines: Sequence[Line], page: int) -> None:
        regions = find_regions(lines)
        at = 0
        for first, end, region in regions:
            self._prose(lines[at:first], page)
            if first - at > 6:
                self._table = None
            self._add_table(region, page, top=first <= 2)
            at = end
        self._prose(lines[at:], page)
        if len(lines) - at > 3:
            self._table = None

    def _add_table(self, region: Region, page: int, *, top: bool) -> None:
        caption, notes = self._caption(region)
        before, grid_before = self._table, self._grid
        if before is not None and grid_before is not None and _goes_on(before, region, top):
            notes = [*notes, *grid_before.notes]
            caption = caption if self._titled_since(grid_before) else grid_before.caption
            grid = to_grid(region, caption=caption, notes=notes, page=page, head_of=before)
            region.head, region.columns = before.head, before.columns
        else:
            grid = to_grid(region, caption=caption, notes=notes, page=page)
        self.blocks.append(grid)
        self._table, self._grid, self._open = region, grid, False

    def _titled_since(self, grid: Grid) -> bool:
        return (
            any(isinstance(b, Title) for b in self.blocks[self.blocks.index(grid) :])
            if grid in self.blocks[-8:]
            else True
        )

    def _caption(self, region: Region) -> tuple[str, list[str]]:
        """Return what a table is called, and the nearby lines that may tell its scale, nearest first."""
        above = [line.text for line in reversed(region.above)]
        notes = [" ".join(line.text for line in region.head), *above]
        for block in reversed(self.blocks[-3:]):
            if isinstance(block, Grid):
                break
            if isinstance(block, Title):
                return block.text, [*notes, block.text]
            if len(block.text) < 200 and block.text.rstrip().endswith((":", "：")):
                return block.text, [*notes, block.text]
        heading = next((b.text for b in reversed(self.blocks[-40:]) if isinstance(b, Title)), "")
        return heading, [*notes, heading]

    def _prose(self, lines: Sequence[Line], page: int) -> None:
        paragraph: list[Line] = []
        margin = max((line.x1 for line in lines), default=0.0)
        leading = _leading(lines)
        for line in lines:
            if paragraph and self._breaks(paragraph, line, margin, leading):
                self._end(paragraph, page, margin)
                paragraph = []
            paragraph.append(line)
        if paragraph:
            self._end(paragraph, page, margin)

    def _breaks(self, paragraph: Sequence[Line], line: Line, margin: float, leading: float) -> bool:
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
        ended = _TERMINAL.search(last.text) is not None
        short = last.x1 < margin - 0.15 * (margin - last.x0) - height
        set_in = line.x0 - min(p.x0 for p in paragraph) > 1.2 * height
        return (ended and (short or set_in)) or (short and not ended and last.bold)

    def _end(self, lines: Sequence[Line], page: int, margin: float) -> None:
        text = close_han_gaps(join_wrapped([line.text for line in lines], self.words))
        if not text:
            return
        level = self._level(lines, text)
        if level:
            self.blocks.append(Title(text, level, page))
            self._open = False
            return
        runs_on = (
            self._open
            and not self._turned(page)
            and (text[0].islower() or re.match(r"[\u4e00-\u9fff]", text) is not None)
        )
        self.blocks.append(Prose(text, page, runs_on))
        self._open = not _TERMINAL.search(text) and lines[-1].x1 > margin - 0.25 * (margin - lines[-1].x0)

    def _turned(self, page: int) -> bool:
        """Tell whether the last block is on this same page, so that nothing can go on over a break."""
        last = self.blocks[-1] if self.blocks else None
        return not isinstance(last, Prose) or last.page == page

    def _level(self, lines: Sequence[Line], text: str) -> int:
        """Return the level of a heading, 0 for a paragraph."""
        if (
            len(text) > 160
            or len(lines) > 3
            or len(_LETTERS.findall(text)) < 3
            or text.endswith((".", "。", ",", ";", "；", "，"))
        ):
            return 2 if _PART.match(text) and len(text) < 90 and lines[0].bold else 0
        size = lines[0].height / self.body
        bold = all(line.bold for line in lines)
        if _PART.match(text) and len(text) < 90 and (bold or size > 1.05 or text.startswith("第")):
            return 1
        if size > 1.4:
            return 1
        if size > 1.12:
            return 2
        if bold:
            return 3 if not text.isupper() else 2
        if _ZH_HEADING.match(text) and len(text) < 30:
            return 4
        return 3 if text.isupper() and len(text) > 8 and " " in text else 0


def _goes_on(before: Region, region: Region, top: bool) -> bool:
    """Tell whether a table without column headings goes on from the one before: over a page break, or below a note."""
    if region.head or len(before.columns) != len(region.columns):
        return False
    return top or all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(before.columns, region.columns, strict=True))


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
