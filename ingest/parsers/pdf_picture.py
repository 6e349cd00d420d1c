"""Pages of a PDF as pictures, by PDFium: for the reader who wants to see the page, and for OCR."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

from ingest.parsers.pdf_chars import PDFIUM
from rag.errors import DocumentError

MAX_PIXELS = 40_000_000  # of one picture: a poster-sized page is drawn smaller


def page_picture(source: Path | str | bytes, page: int, scale: float = 2.0) -> bytes:
    """Return a page as PNG, in colour.

    Args:
        source: path of the PDF, or its bytes.
        page: the number of the page, from 1.
        scale: pixels a point; 1 is 72 dpi. Lowered where the picture would have more than `MAX_PIXELS`.

    Raises:
        DocumentError: no PDF, or no such page.
    """
    with PDFIUM:
        pdf, one = opened_page(source, page)
        try:
            return picture_of(one, scale)
        finally:
            one.close()
            pdf.close()


def opened_page(source: Path | str | bytes, page: int) -> tuple[Any, Any]:
    """Return the open PDF and its page; close both. Hold `PDFIUM` meanwhile.

    Raises:
        DocumentError: no PDF, or no such page.
    """
    import pypdfium2 as pdfium

    name = "the PDF" if isinstance(source, bytes) else str(source)
    try:
        pdf = pdfium.PdfDocument(source)
    except (pdfium.PdfiumError, FileNotFoundError) as error:
        raise DocumentError(f"{name} cannot be opened as a PDF ({error}). Is it still where it was read?") from error
    count = len(pdf)
    if 1 <= page <= count:
        try:
            return pdf, pdf[page - 1]
        except pdfium.PdfiumError as error:
            pdf.close()
            raise DocumentError(
                f"{name}: page {page} is broken ({error}). Export or download the file again."
            ) from error
    pdf.close()
    raise DocumentError(f"{name} has no page {page}; its pages are 1 to {count}.")


def scale_of(size: tuple[float, float], scale: float) -> float:
    """Return the scale a page of this size in points is drawn at when `scale` is asked for."""
    return float(min(scale, (MAX_PIXELS / max(1.0, size[0] * size[1])) ** 0.5))


def picture_of(page: Any, scale: float, *, grey: bool = False) -> bytes:
    """Return an open page as PNG, in colour or shades of grey."""
    scale = scale_of(page.get_size(), scale)
    bitmap = page.render(scale=scale, grayscale=grey, rev_byteorder=True, prefer_bgrx=False)
    try:
        pixels = bitmap.to_numpy()
        return _png(pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] > 1 else pixels)
    finally:
        bitmap.close()


def _png(pixels: Any) -> bytes:
    """Write pixels (height, width) or (height, width, 1 or 3) of bytes as PNG (RFC 2083), unfiltered."""
    import numpy as np

    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 and pixels.shape[2] == 3 else 0
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(raw, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )
