"""Pages of a PDF as pictures, by PDFium: for the reader who wants to see the page, and for OCR."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest.parsers.pdf_chars import PDFIUM
from rag.errors import DocumentError

MAX_PIXELS = 40_000_000  # of one picture: a poster-sized page is drawn smaller
Box = tuple[float, float, float, float]
_AROUND = 70.0  # points of the page that are shown above and below what is marked
_TINT = (1.0, 0.9, 0.45)


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


def marked_strip(source: Path | str | bytes, page: int, boxes: Sequence[Box], scale: float = 1.6) -> bytes:
    """Return the part of a page around some boxes as PNG: the whole width, the boxes tinted.

    Args:
        source: path of the PDF, or its bytes.
        page: the number of the page, from 1.
        boxes: (x0, y0, x1, y1) in points from the upper left corner, at least one.
        scale: pixels a point.

    Raises:
        DocumentError: no PDF, or no such page.
    """
    with PDFIUM:
        pdf, one = opened_page(source, page)
        try:
            scale = scale_of(one.get_size(), scale)
            bitmap = one.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
            try:
                pixels = bitmap.to_numpy()[..., :3].copy()
            finally:
                bitmap.close()
        finally:
            one.close()
            pdf.close()
    height, width = pixels.shape[:2]
    for x0, y0, x1, y1 in boxes:
        left, right = max(0, round((x0 - 2) * scale)), min(width, round((x1 + 2) * scale))
        top, bottom = max(0, round((y0 - 1) * scale)), min(height, round((y1 + 1) * scale))
        inside = pixels[top:bottom, left:right]
        inside[...] = (inside * _TINT).astype(inside.dtype)  # as a marker pen does: white turns yellow, ink stays
    first = max(0, round((min(box[1] for box in boxes) - _AROUND) * scale))
    last = min(height, round((max(box[3] for box in boxes) + _AROUND) * scale))
    return _png(pixels[first:last])


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
