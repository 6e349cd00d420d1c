"""PDFium asked the same of every character or object of a page: a call through ctypes costs more than its answer.

Pages, text pages and objects are plain addresses here, answers go straight into arrays, and the loop runs in C. The
interpreter is not let go in between, since no call takes long. PDFium serves one thread at a time: hold `PDFIUM`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

_KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int}
Addresses = Sequence[int]


@cache
def _function(name: str, arguments: str, result: str) -> Callable[..., Any]:
    import pypdfium2.raw as raw

    place = _address(getattr(raw, name))
    return ctypes.PYFUNCTYPE(_KINDS[result], *(_KINDS[kind] for kind in arguments))(place)


def _ask(name: str, arguments: str, *values: Iterable[int], result: str = "i") -> list[Any]:
    """Call the function `name` for each set of values; `arguments` and `result` say p for an address, i for an int."""
    return list(map(_function(name, arguments, result), *values))


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def _columns(answers: npt.NDArray[Any]) -> list[range]:
    """Return the addresses of the elements of a table, column by column."""
    first, width, columns = answers.ctypes.data, answers.itemsize, answers.shape[1]
    return [range(first + j * width, first + answers.nbytes, columns * width) for j in range(columns)]


def loose_boxes(textpage: Any, count: int) -> npt.NDArray[np.float32]:
    """Return the font boxes of the first `count` characters, (count, 4): left, top, right, bottom."""
    boxes = np.zeros((count, 4), np.float32)
    _ask("FPDFText_GetLooseCharBox", "pip", repeat(_address(textpage)), range(count), _columns(boxes)[0])
    return boxes


def text_objects(textpage: Any, characters: Addresses) -> npt.NDArray[np.uint64]:
    """Return the text object of each of some characters, 0 for one that PDFium put in by itself."""
    found = _ask("FPDFText_GetTextObject", "pi", repeat(_address(textpage)), characters, result="p")
    return np.array([one or 0 for one in found], np.uint64)


def unmapped(textpage: Any, characters: Addresses) -> int:
    """Return how many of some characters have a font that leaves open which letters they are."""
    return _ask("FPDFText_HasUnicodeMapError", "pi", repeat(_address(textpage)), characters).count(1)


def page_objects(page: Any, count: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Return addresses and types of the first `count` objects of a page, type 0 for one that cannot be had."""
    found = _ask("FPDFPage_GetObject", "pi", repeat(_address(page)), range(count), result="p")
    addresses = [one or 0 for one in found]
    return np.array(addresses, np.uint64), np.array(_ask("FPDFPageObj_GetType", "p", addresses), np.int32)


def render_modes(objects: Addresses) -> npt.NDArray[np.int32]:
    """Return the text render mode of each text object, -1 where there is none."""
    return np.array(_ask("FPDFTextObj_GetTextRenderMode", "p", objects), np.int32)


def fill_colours(objects: Addresses) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """Return red, green, blue and alpha, each of 255, of each object, and whether it has them."""
    colours = np.zeros((len(objects), 4), np.uint32)
    return colours, np.array(_ask("FPDFPageObj_GetFillColor", "ppppp", objects, *_columns(colours)), np.bool_)


def bounds(objects: Addresses) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return left, bottom, right and top of each object, and whether it has them."""
    boxes = np.zeros((len(objects), 4), np.float32)
    known = np.array(_ask("FPDFPageObj_GetBounds", "ppppp", objects, *_columns(boxes)), np.bool_)
    return boxes.astype(np.float64), known


def draw_modes(paths: Addresses) -> npt.NDArray[np.int32]:
    """Return how each path is drawn, (n, 2): its fill mode, 0 for none, and whether it is stroked."""
    modes = np.zeros((len(paths), 2), np.int32)
    _ask("FPDFPath_GetDrawMode", "ppp", paths, *_columns(modes))
    return modes


def segment_counts(paths: Addresses) -> npt.NDArray[np.int32]:
    """Return the number of segments of each path."""
    return np.array(_ask("FPDFPath_CountSegments", "p", paths), np.int32)
