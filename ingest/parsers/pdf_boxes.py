"""Where a quote stands on the page of its PDF: boxes for the reader, found when they are asked for.

Letters, digits and Han characters alone are compared, so that joined hyphens, ligatures and blanks do not matter.
A line of a table, `CAPTION | LABEL | COLUMN: VALUE`, is looked for as label and values that stand side by side.
Boxes are (x0, y0, x1, y1) in points from the upper left corner of the page as it is shown, y growing downwards: times
`scale` they fit the picture that `page_picture` draws.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.parsers.pdf_chars import PDFIUM, page_characters
from ingest.parsers.pdf_picture import Box, marked_strip, opened_page

SEED = 12  # characters that must agree for a part of a quote to count; Han characters weigh three
LEAST = 0.5  # of a quote must be on the page
_ROW = re.compile(r"\s\|\s")


@dataclass(frozen=True, slots=True)
class Marked:
    """The boxes of a quote, one a line, and what part of the quote they hold, 0 to 1; the page's size in points."""

    boxes: tuple[Box, ...]
    share: float
    width: float
    height: float


@dataclass(slots=True)
class _Page:
    """The characters of a page that count, as one string, with the box of each."""

    text: str
    boxes: npt.NDArray[np.float32]  # (len(text), 4): left, top, right, bottom, y upwards
    joined: list[bool]  # whether the character goes on with the word or number of the one before


def boxes_of(source: Path | str | bytes, page: int, quote: str) -> list[Box]:
    """Return the boxes of a quote on a page, from 1; empty where less than half of the quote stands on it.

    Raises:
        DocumentError: no PDF, or no such page.
    """
    found = mark(source, page, quote)
    return list(found.boxes) if found.share >= LEAST else []


def quote_picture(source: Path | str | bytes, page: int, quote: str) -> bytes | None:
    """Return the part of a page that holds a quote as PNG, the quote marked; None where half of it is not there.

    Raises:
        DocumentError: no PDF, or no such page.
    """
    boxes = boxes_of(source, page, quote)
    return marked_strip(source, page, boxes) if boxes else None


def mark(source: Path | str | bytes, page: int, quote: str) -> Marked:
    """Return the boxes of as much of a quote as stands on a page. A quote over two pages is marked on each in turn.

    Raises:
        DocumentError: no PDF, or no such page.
    """
    with PDFIUM:
        pdf, one = opened_page(source, page)
        try:
            read = page_characters(one)
        finally:
            one.close()
            pdf.close()
    held = _kept(read.text, read.boxes)
    spans: list[tuple[int, int]] = []
    share = total = 0.0
    for line in quote.split("\n"):
        size = len(_plain(line))
        got, part = _row(held, line) if _ROW.search(line) else _prose(held, line, spans[-1][1] if spans else 0)
        spans += got
        share += part * size
        total += size
    lines = [box for a, b in _united(spans) for box in _lines(held.boxes[a:b], read.height)]
    return Marked(tuple(dict.fromkeys(lines)), share / total if total else 0.0, read.width, read.height)


def _plain(text: str) -> str:
    return "".join(_folded(text))


def _folded(text: str) -> Iterator[str]:
    """Yield what counts of each character: letters and digits, folded, in lower case; nothing for the rest."""
    for char in text:
        if char.isascii():
            yield char.lower() if char.isalnum() else ""
        else:
            yield "".join(c for c in unicodedata.normalize("NFKC", char).lower() if c.isalnum())


def _kept(text: str, boxes: npt.NDArray[np.float32]) -> _Page:
    parts = list(_folded(text))
    index = [i for i, part in enumerate(parts) for _ in part]
    joined = [
        i > 0
        and (j == index[i - 1] or text[index[i - 1] + 1 : j] in ("", ",", "."))
        and float(boxes[j, 0] - boxes[index[i - 1], 2]) < float(boxes[j, 1] - boxes[j, 3])
        for i, j in enumerate(index)
    ]
    return _Page("".join(parts), boxes[index] if index else np.zeros((0, 4), np.float32), joined)


def _weight(text: str) -> int:
    return sum(1 if char.isascii() else 3 for char in text)


def _prose(page: _Page, quote: str, near: int) -> tuple[list[tuple[int, int]], float]:
    """Return the spans of the page that hold the quote, and what part of it: at once, or in pieces."""
    wanted = _plain(quote)
    if not wanted:
        return [], 0.0
    at = _nearest(page.text, wanted, near)
    if at >= 0:
        return [(at, at + len(wanted))], 1.0
    spans: list[tuple[int, int]] = []
    i = held = 0
    while i < len(wanted):
        seed = _seed(wanted, i)
        at = _nearest(page.text, seed, near) if seed else -1
        if at < 0:
            i += 1 if len(wanted) < 80 else 3
            continue
        size = len(seed)
        while i + size < len(wanted) and wanted[i + size] == page.text[at + size : at + size + 1]:
            size += 1
        spans.append((at, at + size))
        near = at + size
        i += size
        held += size
    return spans, held / len(wanted)


def _seed(wanted: str, i: int) -> str:
    """Return the shortest piece from `i` on that is long enough to be told from others, "" where none is."""
    weight = 0
    for j in range(i, len(wanted)):
        weight += _weight(wanted[j])
        if weight >= SEED:
            return wanted[i : j + 1]
    return ""


def _nearest(text: str, part: str, near: int) -> int:
    """Return where `part` stands first behind `near`, else anywhere, -1 nowhere."""
    at = text.find(part, max(0, near - 2))
    return at if at >= 0 else text.find(part)


def _row(page: _Page, line: str) -> tuple[list[tuple[int, int]], float]:
    """Return the spans of a table row's label and values on the line where most of them stand."""
    parts = _ROW.split(line)
    labels = [_plain(part) for part in parts if ": " not in part and not part.rstrip().endswith(":")]
    values = [_plain(part.rsplit(": ", 1)[-1]) for k, part in enumerate(parts) if k > 1 or ": " in part]
    tail = _plain(parts[-1] if len(parts) == 1 else parts[1]).strip()
    best: tuple[list[tuple[int, int]], float] = ([], 0.0)
    names = [tail, *(_plain(piece) for part in parts[:2] for piece in part.split(" – ")[-1:]), *labels]
    for name in dict.fromkeys(name for name in names if name):
        for at in _all(page, name):
            found = _beside(page, at, name, [value for value in values if value and value != name])
            if found[1] > best[1]:
                best = found
        if best[1] == 1.0:
            return best
    return best if best[1] >= LEAST else _values(page, values, best)


def _beside(page: _Page, at: int, name: str, values: Sequence[str]) -> tuple[list[tuple[int, int]], float]:
    """Return label and values where the values stand on the lines of the label."""
    span = (at, at + len(name))
    box = page.boxes[at : at + len(name)]
    top, bottom = float(box[:, 1].max()), float(box[:, 3].min())
    spans = [span]
    used: set[int] = set()
    for value in values:
        for there in _all(page, value):
            middle = float(page.boxes[there, 1] + page.boxes[there, 3]) / 2
            if bottom - 2 <= middle <= top + 2 and there not in used and not span[0] <= there < span[1]:
                spans.append((there, there + len(value)))
                used.add(there)
                break
    return spans, len(spans) / (1 + len(values))


def _values(
    page: _Page, values: Sequence[str], best: tuple[list[tuple[int, int]], float]
) -> tuple[list[tuple[int, int]], float]:
    """Return the values of a row whose label is not found as it is written, where they stand side by side."""
    kept = [value for value in values if value]
    for value in kept:
        for at in _all(page, value):
            found = _beside(page, at, value, [other for other in kept if other != value])
            share = found[1] * len(kept) / (len(kept) + 1)
            if len(kept) > 1 and share > best[1]:
                best = (found[0], share)
    return best


def _all(page: _Page, part: str) -> Iterator[int]:
    """Yield where a part stands as words of its own."""
    at = page.text.find(part)
    while at >= 0:
        end = at + len(part)
        if not page.joined[at] and not (end < len(page.joined) and page.joined[end]):
            yield at
        at = page.text.find(part, at + 1)


def _united(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in sorted(set(spans)):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _lines(boxes: npt.NDArray[np.float32], height: float) -> list[Box]:
    """Gather the boxes of consecutive characters into one a line, y downwards."""
    found: list[list[float]] = []
    for left, top, right, bottom in boxes.tolist():
        last = found[-1] if found else None
        level = last is not None and min(top, last[3]) - max(bottom, last[1]) > 0.4 * (top - bottom)
        if last is not None and level and left >= last[0] - 2 and left - last[2] < 60:
            last[2], last[1], last[3] = max(last[2], right), min(last[1], bottom), max(last[3], top)
        else:
            found.append([left, bottom, right, top])
    return [(round(x0, 1), round(height - y1, 1), round(x1, 1), round(height - y0, 1)) for x0, y0, x1, y1 in found]
