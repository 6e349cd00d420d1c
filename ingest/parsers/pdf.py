"""PDF to a document: opened by PDFium, its running headers, footers and page numbers dropped.

Pages without text (scans) are listed in the metadata; reading those is the business of OCR, not done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from ingest.clean import clean_line, is_page_number, running_key, running_lines
from ingest.parsers.blocks import Parsed, compose
from ingest.parsers.pdf_blocks import page_blocks
from ingest.parsers.pdf_lines import PDFIUM, Line, page_lines
from ingest.parsers.pdf_order import reading_order
from ingest.parsers.pdf_ruled import ruled_tables
from rag.errors import DocumentError
from rag.numbers import find_scale

EDGE = 3  # lines at the top and bottom of a page that may be running headers or footers
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
    pages, sizes, broken = _pages(pdf)
    if not pages:
        raise DocumentError(f"{source}: the PDF holds no page. Export or download it again.")
    empty = [i + 1 for i, lines in enumerate(pages) if not lines]
    if len(empty) == len(pages):
        raise DocumentError(
            f"{source}: none of the {len(pages)} pages holds text; they are scans or drawings. Run OCR on it first."
        )
    standing = _drop_running(pages, sizes)
    ordered = [reading_order(lines, size[0]) for lines, size in zip(pages, sizes, strict=True)]
    metadata: dict[str, Any] = {"pages": len(pages)}
    if empty:
        metadata["pages_without_text"] = ", ".join(map(str, empty))
    if broken:
        metadata["pages_broken"] = ", ".join(map(str, broken))
    title = _title(pdf.get_metadata_dict().get("Title", ""))
    return compose(page_blocks(ordered, standing), source, kind="pdf", title=title, pages=len(pages), metadata=metadata)


def _pages(pdf: Any) -> tuple[list[list[Line]], list[Size], list[int]]:
    """Return the lines and the size of each page, and the numbers of the pages that cannot be loaded."""
    import pypdfium2 as pdfium

    pages: list[list[Line]] = []
    sizes: list[Size] = []
    broken: list[int] = []
    for number in range(len(pdf)):
        try:
            page = pdf[number]
            lines, size, rules = page_lines(page)
            page.close()
            lines = ruled_tables(rules, lines)
        except pdfium.PdfiumError:
            broken.append(number + 1)
            lines, size = [], (0.0, 0.0)
        pages.append(lines)
        sizes.append(size)
    return pages, sizes, broken


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
    for lines, edge in zip(pages, edges, strict=True):
        dropped = {i for i in edge if running_key(lines[i].text) in running or is_page_number(lines[i].text)}
        standing.append(next((lines[i].text for i in dropped if find_scale(lines[i].text)[0] != 1), ""))
        lines[:] = [line for i, line in enumerate(lines) if i not in dropped]
    return standing


def _edges(lines: Sequence[Line], height: float) -> list[int]:
    """Return which lines stand in the margins: the first and last few of a page, near its upper or lower edge."""
    last = len(lines) - EDGE
    return [
        i
        for i, line in enumerate(lines)
        if (i < EDGE and line.top > (1 - MARGIN) * height) or (i >= last and line.bottom < MARGIN * height)
    ]
