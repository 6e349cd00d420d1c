"""Text of a PDF page that no reader sees: documents speak to assistants that way.

Left out and counted: text set in white where nothing dark lies behind it, transparent text, text in the invisible mode
with no picture behind it (a layer of OCR under a scan is honest text and stays), letters too small to be seen, and what
stands off the page. It does not know text in the colour of a coloured ground, nor text covered by a picture.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

KINDS = ("", "white on white", "transparent", "invisible", "tiny", "off the page")
WHITE, FAINT = 245, 12  # of 255: from here on a colour is white; up to here an opacity is none
TINY = 1.0  # points
INVISIBLE = 3  # the text render mode of PDF 32000-1, 9.3.6
_BACK = 0.5  # points a ground may fall short of the letter's middle
Box = tuple[float, float, float, float]  # left, bottom, right, top
Boxes = npt.NDArray[np.float32]  # (n, 4): left, top, right, bottom, in the page's own coordinates


def hidden_characters(page: Any, textpage: Any, boxes: Boxes, raw: Any) -> npt.NDArray[np.uint8]:
    """Return the index in `KINDS` of each character of a page, 0 for what is seen."""
    count = len(boxes)
    kinds = np.zeros(count, np.uint8)
    left, top, right, bottom = boxes.T
    drawn = (right > left) | (top > bottom)
    kinds[drawn & (top - bottom < TINY) & (right - left < TINY)] = KINDS.index("tiny")
    x0, y0, x1, y1 = page.get_bbox()
    off = (right < x0) | (left > x1) | (top < y0) | (bottom > y1)
    kinds[drawn & off] = KINDS.index("off the page")
    if _suspicious(page, raw):
        _by_object(kinds, page, textpage, boxes, raw)
    return kinds


def _suspicious(page: Any, raw: Any) -> bool:
    """Tell whether an object of the page, or one inside another, may hold unseen text."""
    for i in range(raw.FPDFPage_CountObjects(page.raw)):
        one = raw.FPDFPage_GetObject(page.raw, i)
        kind = raw.FPDFPageObj_GetType(one)
        if kind == raw.FPDF_PAGEOBJ_FORM or (kind == raw.FPDF_PAGEOBJ_TEXT and _kind(one, raw)):
            return True
    return False


def _kind(one: Any, raw: Any) -> int:
    """Return the kind of unseen text that a text object may be, by its own colour and mode alone."""
    if raw.FPDFTextObj_GetTextRenderMode(one) == INVISIBLE:
        return KINDS.index("invisible")
    return _pale(one, raw)


def _pale(one: Any, raw: Any) -> int:
    """Return the kind of an object filled in white or in nothing, 0 for one in colour."""
    red, green, blue, alpha = colour = tuple(ctypes.c_uint() for _ in range(4))
    if not raw.FPDFPageObj_GetFillColor(one, *colour):
        return 0
    if alpha.value <= FAINT:
        return KINDS.index("transparent")
    return KINDS.index("white on white") if min(red.value, green.value, blue.value) >= WHITE else 0


def _by_object(kinds: npt.NDArray[np.uint8], page: Any, textpage: Any, boxes: Boxes, raw: Any) -> None:
    """Mark the characters of unseen text objects, asking the ground behind those in white or in the invisible mode."""
    grounds: dict[int, list[Box]] | None = None
    last, kind = 0, 0
    for i in np.flatnonzero(kinds == 0).tolist():
        one = raw.FPDFText_GetTextObject(textpage, i)
        address = ctypes.cast(one, ctypes.c_void_p).value or 0
        if address != last:
            last, kind = address, _kind(one, raw) if address else 0
        if not kind:
            continue
        if grounds is None:
            pictures, fills = _grounds(page, raw)
            grounds = {KINDS.index("invisible"): pictures, KINDS.index("white on white"): pictures + fills}
        x, y = (boxes[i, 0] + boxes[i, 2]) / 2, (boxes[i, 1] + boxes[i, 3]) / 2
        behind = grounds.get(kind, [])
        if not any(x0 - _BACK <= x <= x1 + _BACK and y0 - _BACK <= y <= y1 + _BACK for x0, y0, x1, y1 in behind):
            kinds[i] = kind


def _grounds(page: Any, raw: Any) -> tuple[list[Box], list[Box]]:
    """Return the boxes of the pictures (shadings and forms too), and of the shapes filled in a colour."""
    pictures: list[Box] = []
    fills: list[Box] = []
    for i in range(raw.FPDFPage_CountObjects(page.raw)):
        one = raw.FPDFPage_GetObject(page.raw, i)
        kind = raw.FPDFPageObj_GetType(one)
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            continue
        box = tuple(ctypes.c_float() for _ in range(4))
        if not raw.FPDFPageObj_GetBounds(one, *box):
            continue
        left, bottom, right, top = (side.value for side in box)
        if kind != raw.FPDF_PAGEOBJ_PATH:
            pictures.append((left, bottom, right, top))
            continue
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(one, fill, stroke)
        if fill.value and _pale(one, raw) == 0:
            fills.append((left, bottom, right, top))
    return pictures, fills
