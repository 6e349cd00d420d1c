"""Text of a PDF page that no reader sees: documents speak to assistants that way.

Left out and counted: text set in white where nothing dark lies behind it, transparent text, text in the invisible mode
with no picture behind it (a layer of OCR under a scan is honest text and stays), letters too small to be seen, and what
stands off the page. It does not know text in the colour of a coloured ground, nor text covered by a picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.parsers.pdf_calls import Objects, bounds, draw_modes, fill_colours, render_modes, text_objects

KINDS = ("", "white on white", "transparent", "invisible", "tiny", "off the page")
WHITE, FAINT = 245, 12  # of 255: from here on a colour is white; up to here an opacity is none
TINY = 1.0  # points
INVISIBLE = 3  # the text render mode of PDF 32000-1, 9.3.6
_BACK = 0.5  # points a ground may fall short of the letter's middle
Boxes = npt.NDArray[np.float32]  # (n, 4): left, top, right, bottom, in the page's own coordinates


def hidden_characters(page: Any, textpage: Any, boxes: Boxes, objects: Objects) -> npt.NDArray[np.uint8]:
    """Return the index in `KINDS` of each character of a page, 0 for what is seen."""
    count = len(boxes)
    kinds = np.zeros(count, np.uint8)
    left, top, right, bottom = boxes.T
    drawn = (right > left) | (top > bottom)
    kinds[drawn & (top - bottom < TINY) & (right - left < TINY)] = KINDS.index("tiny")
    x0, y0, x1, y1 = page.get_bbox()
    off = (right < x0) | (left > x1) | (top < y0) | (bottom > y1)
    kinds[drawn & off] = KINDS.index("off the page")
    _by_object(kinds, textpage, boxes, objects)
    return kinds


def _by_object(kinds: npt.NDArray[np.uint8], textpage: Any, boxes: Boxes, objects: Objects) -> None:
    """Mark the characters of unseen text objects, asking the ground behind those in white or in the invisible mode."""
    import pypdfium2.raw as raw

    forms = len(objects.of(raw.FPDF_PAGEOBJ_FORM)) > 0  # what is inside them is asked for letter by letter
    if not forms and not _kinds(objects.of(raw.FPDF_PAGEOBJ_TEXT)).any():
        return
    asked = np.flatnonzero(kinds == 0)
    owners, owner = np.unique(text_objects(textpage.raw, asked.tolist()), return_inverse=True)
    suspected = np.zeros(len(owners), np.uint8)
    suspected[owners > 0] = _kinds(owners[owners > 0])
    suspect = suspected[owner]
    if not suspect.any():
        return
    pictures, fills = _grounds(objects, raw)
    grounds = {"invisible": pictures, "white on white": np.concatenate((pictures, fills))}
    for kind in np.unique(suspect[suspect > 0]).tolist():
        those = asked[suspect == kind]
        kinds[those[~_behind(boxes[those], grounds.get(KINDS[kind], pictures[:0]))]] = kind


def _kinds(objects: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Return the kind of unseen text that each text object may be, by its own colour and mode alone."""
    kinds = _pale(objects)
    kinds[render_modes(objects.tolist()) == INVISIBLE] = KINDS.index("invisible")
    return kinds


def _pale(objects: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Return the kind of each object filled in white or in nothing, 0 for one in colour."""
    colours, known = fill_colours(objects.tolist())
    kinds = np.where(colours[:, :3].min(axis=1, initial=255) >= WHITE, KINDS.index("white on white"), 0)
    kinds[colours[:, 3] <= FAINT] = KINDS.index("transparent")
    return np.where(known, kinds, 0).astype(np.uint8)


def _behind(boxes: Boxes, grounds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell of each character whether the middle of it lies on one of the grounds."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    lies = np.zeros(len(boxes), np.bool_)
    for x0, y0, x1, y1 in grounds.tolist():
        lies |= (x0 - _BACK <= x) & (x <= x1 + _BACK) & (y0 - _BACK <= y) & (y <= y1 + _BACK)
    return lies


def _grounds(objects: Objects, raw: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the boxes of the pictures (shadings and forms too), and of the shapes filled in a colour."""
    drawn = objects.types != raw.FPDF_PAGEOBJ_TEXT
    places = objects.places[drawn]
    boxes, known = bounds(places.tolist())
    paths = known & (objects.types[drawn] == raw.FPDF_PAGEOBJ_PATH)
    filled = paths.copy()
    filled[paths] = (draw_modes(places[paths].tolist())[:, 0] > 0) & (_pale(places[paths]) == 0)
    return boxes[known & ~paths], boxes[filled]
