"""The characters of a PDF page and where they stand, as PDFium reads them; and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.parsers.pdf_calls import Objects, loose_boxes, page_objects, unmapped
from ingest.parsers.pdf_hidden import hidden_characters

PDFIUM = Lock()  # PDFium serves one thread at a time
SAMPLED = 400  # characters asked for a fault of their code, at most
Boxes = npt.NDArray[np.float32]  # (n, 4): left, top, right, bottom


@dataclass(slots=True)
class Characters:
    """The characters of a page as it is shown: one code point and one box each, y upwards.

    `hidden` is the kind of each that no reader sees (`ingest.parsers.pdf_hidden.KINDS`), 0 for the others; those are
    blanks in `text`. `unknown` is the share of the seen ones that stand for no known letter.
    """

    text: str
    codes: npt.NDArray[np.uint32]
    boxes: Boxes
    hidden: npt.NDArray[np.uint8]
    width: float
    height: float
    unknown: float = 0.0


def read_characters(page: Any, textpage: Any, objects: Objects) -> Characters:
    """Read the characters of an open page, its open text page and its objects."""
    count, (width, height), rotation = textpage.count_chars(), page.get_size(), page.get_rotation()
    if count <= 0:
        nothing = np.zeros(0, np.uint32)
        return Characters("", nothing, np.zeros((0, 4), np.float32), nothing.astype(np.uint8), width, height)
    text, codes = _characters(textpage, count)
    boxes = loose_boxes(textpage.raw, count)
    hidden = hidden_characters(page, textpage, boxes, objects)
    if hidden.any():
        hidden[codes <= 32] = 0
        codes = np.where(hidden > 0, 32, codes).astype(np.uint32)
        text = codes.tobytes().decode("utf-32-le", "replace")
    x0, y0, _, _ = page.get_bbox()
    if x0 or y0:  # the page shown begins elsewhere than at 0, 0
        boxes = boxes - np.array([x0, y0, x0, y0], np.float32)
    if rotation:
        boxes = _upright(boxes, rotation, width, height)
    return Characters(text, codes, boxes, hidden, width, height, _unknown(textpage.raw, codes))


def _unknown(textpage: Any, codes: npt.NDArray[np.uint32]) -> float:
    """Return the share of characters without a letter: private, replaced, or left open by the font."""
    seen = np.flatnonzero(codes > 32)
    if not len(seen):
        return 0.0
    private = ((codes[seen] >= 0xE000) & (codes[seen] <= 0xF8FF)) | (codes[seen] == 0xFFFD) | (codes[seen] >= 0xF0000)
    if private.any():
        return float(private.mean())
    some = seen[:: max(1, len(seen) // SAMPLED)].tolist()
    return unmapped(textpage, some) / len(some)


def page_characters(page: Any) -> Characters:
    """Read the characters of an open page."""
    textpage = page.get_textpage()
    try:
        return read_characters(page, textpage, page_objects(page))
    finally:
        textpage.close()


def _characters(textpage: Any, count: int) -> tuple[str, npt.NDArray[np.uint32]]:
    """Return the text, one code point a PDFium character, also where PDFium's own text leaves some out."""
    import pypdfium2.raw as raw

    text = textpage.get_text_range()
    if len(text) != count:
        text = "".join(chr(code) if 0 < code < 0x110000 else " " for code in _codes(textpage.raw, count, raw))
    text = text.encode("utf-32-le", "surrogatepass").decode("utf-32-le", "replace")
    if len(text) != count:
        text = text[:count].ljust(count)
    return text, np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def _codes(textpage: Any, count: int, raw: Any) -> list[int]:
    return [raw.FPDFText_GetUnicode(textpage, i) for i in range(count)]


def _upright(boxes: Boxes, rotation: int, width: float, height: float) -> Boxes:
    """Turn boxes of a rotated page; `width` and `height` are those of the page as shown."""
    left, top, right, bottom = boxes.T
    if rotation == 90:
        turned = (bottom, height - left, top, height - right)
    elif rotation == 180:
        turned = (width - right, height - bottom, width - left, height - top)
    else:
        turned = (width - top, right, width - bottom, left)
    return np.stack(turned, axis=1).astype(np.float32)
