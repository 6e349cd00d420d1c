"""PDF to a document: opened by PDFium, its running headers, footers and page numbers dropped.

Pages without text (scans), and pages whose fonts do not say what letters they draw, are read by OCR where tesseract is
installed; the metadata lists them, and those that could not be read. Text that no reader sees is left out and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any

from ingest.clean import clean_line, is_page_number, running_key, running_lines
from ingest.parsers.blocks import Parsed, compose
from ingest.parsers.ocr import DPI, SECONDS, Reader
from ingest.parsers.pdf_blocks import page_blocks
from ingest.parsers.pdf_chars import PDFIUM
from ingest.parsers.pdf_lines import Line, PageText, page_lines
from ingest.parsers.pdf_order import reading_order
from ingest.parsers.pdf_picture import picture_of, scale_of
from ingest.parsers.pdf_ruled import ruled_tables
from ingest.parsers.pdf_rules import Rules
from ingest.pulse import beat
from rag.errors import DocumentError
from rag.numbers import find_scale

EDGE = 3  # lines at the top and bottom of a page that may be running headers or footers
GARBLED = 0.3  # of the characters of a page without a known letter: its fonts cannot be read, OCR may
DRAWN = 50_000  # objects: a page with more is a drawing without a letter, and OCR would take long to say so
MARGIN = 0.1  # of the height of the page, where those stand
Size = tuple[float, float]  # width and height in points
_DULL_TITLE = re.compile(
    r"\.(?:docx?|pdf|indd|xlsx?|html?)$|^(?:untitled|microsoft word|document\d*|print)", re.IGNORECASE
)


def parse_pdf(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a PDF.

    Raises:
        DocumentError: encrypted, broken beyond PDFium's repair, or without any text.
    """
    import pypdfium2 as pdfium

    with PDFIUM:
        try:
            pdf = pdfium.PdfDocument(stream.read())
        except pdfium.PdfiumError as error:
            raise DocumentError(_why(source, str(error))) from error
        try:
            parsed = _read(pdf, source)
        finally:
            pdf.close()
    yield parsed


def _why(source: str, error: str) -> str:
    if "password" in error.lower():
        return f"{source}: the PDF is encrypted and asks for a password. Save a copy without one and ingest that."
    if "security" in error.lower():
        return f"{source}: the PDF uses a protection that cannot be opened. Save a copy without it and ingest that."
    return f"{source}: the PDF is broken and cannot be repaired ({error}). Export or download it again."


def _read(pdf: Any, source: str) -> Parsed:
    read = _Pages()
    for number in range(len(pdf)):
        read.take(pdf, number)
        beat()
    if not read.lines:
        raise DocumentError(f"{source}: the PDF holds no page. Export or download it again.")
    if not any(read.lines):
        raise DocumentError(
            f"{source}: none of the {len(read.lines)} pages holds text; they are scans or drawings. "
            f"{_what_of_ocr(read.ocr)}"
        )
    standing = _drop_running(read.lines, read.sizes)
    ordered = [reading_order(lines, size[0]) for lines, size in zip(read.lines, read.sizes, strict=True)]
    title = _title(pdf.get_metadata_dict().get("Title", ""))
    pages = len(read.lines)
    metadata = {"pages": pages, **read.told()}
    return compose(page_blocks(ordered, standing), source, kind="pdf", title=title, pages=pages, metadata=metadata)


class _Pages:
    """The pages read so far, and what there is to tell about them."""

    def __init__(self) -> None:
        self.lines: list[list[Line]] = []
        self.sizes: list[Size] = []
        self.broken: list[int] = []
        self.unreadable: list[int] = []
        self.by_ocr: list[int] = []
        self.hidden: Counter[str] = Counter()
        self.hidden_pages: list[int] = []
        self._ocr: Reader | None = None
        self._looked = False

    @property
    def ocr(self) -> bool:
        """Whether OCR was there when a page asked for it."""
        return self._ocr is not None

    def take(self, pdf: Any, number: int) -> None:
        """Read page `number`, counted from 0."""
        import pypdfium2 as pdfium

        try:
            page = pdf[number]
            found = page_lines(page)
            lines = ruled_tables(found.rules, found.lines)
            garbled = found.unknown > GARBLED and bool(lines)
            if garbled or (not lines and _draws(page)):
                lines = self._scanned(page, found.size, number) or lines
            page.close()
        except pdfium.PdfiumError:
            self.broken.append(number + 1)
            lines, found = [], PageText([], (0.0, 0.0), Rules())
            garbled = False
        if garbled and number + 1 not in self.by_ocr:
            self.unreadable.append(number + 1)
        if found.hidden:
            self.hidden += found.hidden
            self.hidden_pages.append(number + 1)
        self.lines.append(lines)
        self.sizes.append(found.size)

    def _scanned(self, page: Any, size: Size, number: int) -> list[Line]:
        """Return the lines that OCR reads on a page; empty without OCR."""
        if not self._looked:
            self._ocr, self._looked = Reader.find(), True
        if self._ocr is None:
            return []
        beat(3 * SECONDS)
        scale = DPI / 72
        lines = self._ocr.lines(picture_of(page, scale, grey=True), scale=scale_of(size, scale), height=size[1])
        if lines:
            self.by_ocr.append(number + 1)
        return lines

    def told(self) -> dict[str, Any]:
        """Return what the metadata tells: pages without text, broken, unreadable, read by OCR; text no reader sees."""
        empty = [i + 1 for i, lines in enumerate(self.lines) if not lines]
        named = {
            "pages_without_text": empty,
            "pages_broken": self.broken,
            "pages_unreadable": self.unreadable,
            "pages_by_ocr": self.by_ocr,
            "hidden_pages": self.hidden_pages,
        }
        told: dict[str, Any] = {key: ", ".join(map(str, pages)) for key, pages in named.items() if pages}
        if self.hidden:
            told["hidden_text"] = self.hidden.total()
            told["hidden_kinds"] = ", ".join(f"{kind} {count}" for kind, count in self.hidden.most_common())
        return told


def _draws(page: Any) -> bool:
    """Tell whether something that may hold letters is drawn on a page."""
    import pypdfium2.raw as raw

    return 0 < int(raw.FPDFPage_CountObjects(page.raw)) <= DRAWN


def _title(claimed: str) -> str:
    """Return the title the file claims, unless it is a file name, a number or a placeholder."""
    title = clean_line(claimed)
    words = re.search(r"[^\W\d_]{3}|[\u4e00-\u9fff]{2}", title)
    return title if words and not _DULL_TITLE.search(title) else ""


def _drop_running(pages: Sequence[list[Line]], sizes: Sequence[Size]) -> list[str]:
    """Take running headers, footers and page numbers out of the pages; return the notice of scale each page loses."""
    edges = [_edges(lines, height) for lines, (_, height) in zip(pages, sizes, strict=True)]
    running = running_lines([[lines[i].text for i in edge] for lines, edge in zip(pages, edges, strict=True)], 2 * EDGE)
    standing: list[str] = []
    for edge, last in zip(edges, _numbered(pages), strict=True):
        edge.extend({last} - {-1, *edge})
    for lines, edge in zip(pages, edges, strict=True):
        dropped = {i for i in edge if running_key(lines[i].text) in running or is_page_number(lines[i].text)}
        standing.append(next((lines[i].text for i in dropped if find_scale(lines[i].text)[0] != 1), ""))
        lines[:] = [line for i, line in enumerate(lines) if i not in dropped]
    return standing


def _numbered(pages: Sequence[list[Line]]) -> list[int]:
    """Return which line of each page is its number though it stands far from the edge: the last one, counting up."""
    last = [lines[-1].text.strip() if lines else "" for lines in pages]
    ahead = [int(text) - i if text.isdecimal() and len(text) < 5 else None for i, text in enumerate(last)]
    counts = Counter(offset for offset in ahead if offset is not None)
    usual = {offset for offset, count in counts.items() if count >= max(3, len(pages) // 5)}
    return [len(lines) - 1 if offset in usual else -1 for lines, offset in zip(pages, ahead, strict=True)]


def _edges(lines: Sequence[Line], height: float) -> list[int]:
    """Return which lines stand in the margins: the first and last few of a page, near its upper or lower edge."""
    last = len(lines) - EDGE
    return [
        i
        for i, line in enumerate(lines)
        if (i < EDGE and line.top > (1 - MARGIN) * height) or (i >= last and line.bottom < MARGIN * height)
    ]


def _what_of_ocr(tried: bool) -> str:
    """Say what OCR came to, or what it would take."""
    if tried:
        return "OCR found none either."
    if Reader.find() is not None:
        return "No page holds a picture for OCR to read."
    return "Install tesseract for OCR and ingest it again."
