"""PDFium asked the same of every character or object of a page: a call through ctypes costs more than its answer.

Pages, text pages and objects are plain addresses here, answers go straight into arrays, and the loop runs in C. The
interpreter is not let go in between, since no call takes long. PDFium serves one thread at a time: hold `PDFIUM`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

_KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int}
_HEAVY = re.compile(rb"^[^\0]*(?:bold|black|heavy)", re.IGNORECASE)
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


def are_bold(textpage: Any, characters: Addresses) -> npt.NDArray[np.bool_]:
    """Tell of each of some characters whether its font is heavy, by its weight or its name."""
    page, names = repeat(_address(textpage)), np.zeros((len(characters), 128), np.uint8)
    flags = np.zeros((1, 1), np.int32)
    sizes, places = repeat(names.shape[1]), repeat(flags.ctypes.data)
    _ask("FPDFText_GetFontInfo", "pipip", page, characters, _columns(names)[0], sizes, places)
    named = [bool(_HEAVY.search(bytes(name))) for name in names]
    return np.array(named, np.bool_) | (np.array(_ask("FPDFText_GetFontWeight", "pi", page, characters)) >= 600)


def unmapped(textpage: Any, characters: Addresses) -> int:
    """Return how many of some characters have a font that leaves open which letters they are."""
    return _ask("FPDFText_HasUnicodeMapError", "pi", repeat(_address(textpage)), characters).count(1)


@dataclass(frozen=True, slots=True)
class Objects:
    """The addresses and types of the objects of a page; type 0 is one that cannot be had."""

    places: npt.NDArray[np.uint64]
    types: npt.NDArray[np.int32]

    def of(self, kind: int) -> npt.NDArray[np.uint64]:
        """Return the addresses of the objects of one type."""
        return np.asarray(self.places[self.types == kind])


def page_objects(page: Any) -> Objects:
    """Return the objects of a pypdfium2 page; what stands inside forms is not among them."""
    import pypdfium2.raw as raw

    count = range(raw.FPDFPage_CountObjects(page.raw))
    places = [one or 0 for one in _ask("FPDFPage_GetObject", "pi", repeat(_address(page.raw)), count, result="p")]
    return Objects(np.array(places, np.uint64), np.array(_ask("FPDFPageObj_GetType", "p", places), np.int32))


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
