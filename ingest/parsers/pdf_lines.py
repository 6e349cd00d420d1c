"""Characters of a PDF page become lines: pieces of text that stand on one baseline, with where they stand.

Coordinates are PDF points in the page as it is shown (a rotated page is turned upright), y grows upwards. It knows
neither tables nor paragraphs. Text set at an angle to the page is not put in order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.clean import clean_line, close_han_gaps
from ingest.parsers.pdf_calls import are_bold, page_objects
from ingest.parsers.pdf_chars import Boxes, read_characters
from ingest.parsers.pdf_hidden import KINDS
from ingest.parsers.pdf_rules import Rules, page_rules

GAP = 0.72  # of the line height: a wider gap between two characters starts a new piece
NUMBER_GAP = 0.3  # of the line height: the same between two numbers, in which no blank that wide stands
SPACE = 0.12  # of the line height: two runs closer than this belong to one word
_NUMBERS = re.compile(r"[\d)%] [\d($-]")
_NUMBER_ENDS = np.isin(np.arange(256), [ord(char) for char in "0123456789)%"])
_NUMBER_BEGINS = np.isin(np.arange(256), [ord(char) for char in "0123456789($-"])
_MIN_RUN = 2.5  # mean characters a run on a page set upright; below it the page is taken in PDFium's own order

Upright = tuple[float, float, float]  # an upright line: x, and where it begins and ends


@dataclass(slots=True)
class Piece:
    """A run of text without a wide gap in it."""

    text: str
    x0: float
    x1: float


@dataclass(slots=True)
class Line:
    """All pieces on one baseline, from left to right; `right` is the right edge of the column of text it stands in."""

    pieces: list[Piece]
    bottom: float
    top: float
    bold: bool = False
    right: float = 0.0
    text: str = field(default="")
    under: tuple[tuple[float, float], ...] = ()  # from where to where lines are drawn close below
    ruled: Any = None  # the `ingest.parsers.pdf_ruled.Ruled` table that stands here instead of words

    def __post_init__(self) -> None:
        self.text = " ".join(piece.text for piece in self.pieces)

    @property
    def x0(self) -> float:
        """Left edge."""
        return self.pieces[0].x0

    @property
    def x1(self) -> float:
        """Right edge."""
        return self.pieces[-1].x1

    @property
    def height(self) -> float:
        """Height of the line's font, ascent and descent included."""
        return self.top - self.bottom


@dataclass(slots=True)
class _Run:
    text: str
    x0: float
    x1: float
    bottom: float
    top: float
    first: int
    last: int


@dataclass(slots=True)
class PageText:
    """What is read off a page: lines from top to bottom, size in points, what rules it.

    `hidden` counts the characters left out by kind; `unknown` is the share of those that stand for no known letter.
    """

    lines: list[Line]
    size: tuple[float, float]
    rules: Rules
    hidden: Counter[str] = field(default_factory=Counter)
    unknown: float = 0.0


def page_lines(page: Any) -> PageText:
    """Read a pypdfium2 page."""
    textpage, objects = page.get_textpage(), page_objects(page)
    try:
        read = read_characters(page, textpage, objects)
        size, rules = (read.width, read.height), page_rules(page, objects)
        hidden = Counter(KINDS[kind] for kind in read.hidden[read.hidden > 0].tolist())
        runs = _runs(read.text, read.codes, read.boxes, rules.down)
        if runs and sum(len(run.text) for run in runs) < _MIN_RUN * len(runs) and len(runs) > 20:
            return PageText(_plain_lines(read.text, *size), size, Rules(), hidden, read.unknown)
        return PageText(_lines(runs, textpage.raw, rules.down), size, rules, hidden, read.unknown)
    finally:
        textpage.close()


def _runs(text: str, codes: npt.NDArray[np.uint32], boxes: Boxes, down: Sequence[Upright]) -> list[_Run]:
    """Cut the characters, in the order of the file, where the pen moves away or over an upright line in `down`."""
    blank = (codes <= 32) & (codes != 2) | (codes == 0xA0) | (codes == 0x3000)
    index = np.flatnonzero(~blank)
    if not len(index):
        return []
    left, top, right, bottom = boxes[index].T
    height = np.maximum(top - bottom, 0.1)
    tall = np.maximum(height[1:], height[:-1])
    gap = left[1:] - right[:-1]
    overlap = np.minimum(top[1:], top[:-1]) - np.maximum(bottom[1:], bottom[:-1])
    cut = (gap > GAP * tall) | (gap < -1.5 * tall) | (overlap < 0.4 * np.minimum(height[1:], height[:-1]))
    ends, begins = _NUMBER_ENDS[np.minimum(codes[index], 255)], _NUMBER_BEGINS[np.minimum(codes[index], 255)]
    cut |= (gap > NUMBER_GAP * tall) & ends[:-1] & begins[1:]
    middle = (top + bottom) / 2
    for x, y0, y1 in down:
        cut |= (right[:-1] <= x + 1) & (left[1:] >= x - 1) & (middle[1:] > y0) & (middle[1:] < y1)
    starts = np.concatenate(([0], np.flatnonzero(cut) + 1))
    ends = np.concatenate((starts[1:], [len(index)]))
    x0, x1 = np.minimum.reduceat(left, starts), np.maximum.reduceat(right, starts)
    low, high = np.minimum.reduceat(bottom, starts), np.maximum.reduceat(top, starts)
    first, last = index[starts], index[ends - 1]
    runs = []
    for values in zip(
        x0.tolist(), x1.tolist(), low.tolist(), high.tolist(), first.tolist(), last.tolist(), strict=True
    ):
        piece = text[values[4] : values[5] + 1]
        if "\n" in piece:
            piece = _on_one_line(piece, boxes[values[4] : values[5] + 1])
        soft = piece.endswith("\x02")
        piece = close_han_gaps(clean_line(piece))
        if piece or soft:
            runs.append(_Run(piece + ("\x02" if soft else ""), *values))
    return runs


def _on_one_line(text: str, boxes: Boxes) -> str:
    """Take out the line ends that PDFium sees between characters of one line; a gap there becomes a blank."""
    solid = [i for i, char in enumerate(text) if not char.isspace()]
    parts = [text[solid[0]]]
    for last, i in pairwise(solid):
        height = float(boxes[i, 1] - boxes[i, 3])
        apart = " " in text[last:i] or float(boxes[i, 0] - boxes[last, 2]) > SPACE * height
        parts.append(f" {text[i]}" if apart else text[i])
    return "".join(parts)


def _lines(runs: list[_Run], textpage: Any, down: Sequence[Upright]) -> list[Line]:
    """Gather runs whose heights overlap into lines."""
    runs.sort(key=lambda run: -(run.bottom + run.top))
    groups: list[list[_Run]] = []
    low = high = 0.0
    for run in runs:
        shared = min(high, run.top) - max(low, run.bottom)
        if groups and shared >= 0.5 * min(high - low, run.top - run.bottom):
            groups[-1].append(run)
            if run.top - run.bottom > high - low:
                low, high = run.bottom, run.top
        else:
            groups.append([run])
            low, high = run.bottom, run.top
    for group in groups:
        group.sort(key=lambda run: run.x0)
    tallest = [max(group, key=lambda run: run.top - run.bottom) for group in groups]
    bold = are_bold(textpage, [run.first for run in tallest]) & are_bold(textpage, [group[-1].last for group in groups])
    return [_line(*each, down) for each in zip(groups, tallest, bold.tolist(), strict=True)]


def _line(group: list[_Run], tallest: _Run, bold: bool, down: Sequence[Upright]) -> Line:
    """Make a line of runs sorted from left to right, as high as the tallest of them."""
    height = tallest.top - tallest.bottom
    pieces: list[Piece] = []
    for run in group:
        gap = run.x0 - pieces[-1].x1 if pieces else height
        numbers = bool(pieces) and bool(_NUMBERS.search(f"{pieces[-1].text[-1:]} {run.text[:1]}"))
        if (
            pieces
            and gap <= (NUMBER_GAP if numbers else GAP) * height
            and not (down and _parted(pieces[-1].x1, run, down))
        ):
            pieces[-1].text += run.text if gap < SPACE * height else f" {run.text}"
            pieces[-1].x1 = max(run.x1, pieces[-1].x1)
        else:
            pieces.append(Piece(run.text, run.x0, run.x1))
    return Line(pieces, tallest.bottom, tallest.top, bold)


def _parted(x1: float, run: _Run, down: Sequence[Upright]) -> bool:
    """Tell whether an upright line stands between a piece that ends at `x1` and the run behind it."""
    middle = (run.bottom + run.top) / 2
    return any(x1 <= x + 1 and run.x0 >= x - 1 and y0 < middle < y1 for x, y0, y1 in down)


def _plain_lines(text: str, width: float, height: float) -> list[Line]:
    """Lines in PDFium's own order, with made-up places: for pages whose text is set at an angle."""
    lines: list[Line] = []
    for line in text.splitlines():
        clean = clean_line(line)
        if clean:
            top = height - 12.0 * len(lines)
            lines.append(Line([Piece(clean, 0.0, width)], top - 11.0, top))
    return lines
