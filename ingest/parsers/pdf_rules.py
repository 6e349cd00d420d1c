"""The straight lines drawn on a PDF page, thin filled rectangles among them: what rules tables.

Coordinates are PDF points in the page as it is shown, y grows upwards. Lines drawn inside form objects and pictures are
not seen, nor those of pages with more than `MAX_OBJECTS` objects (pages that draw each letter on its own).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.parsers.pdf_calls import Objects, bounds, draw_modes, segment_counts

THIN = 2.6  # points: a drawn shape no thicker than this is a line
SHORT = 4.0  # points: what is shorter is a dot or a corner
NEAR = 2.2  # points within which ends and places of lines are the same
MAX_OBJECTS = 4000
Box = tuple[float, float, float, float]  # left, bottom, right, top


@dataclass(slots=True)
class Rules:
    """Horizontal lines as (y, x0, x1), vertical ones as (x, y0, y1); pieces that touch are one."""

    across: list[tuple[float, float, float]] = field(default_factory=list)
    down: list[tuple[float, float, float]] = field(default_factory=list)


def page_rules(page: Any, objects: Objects) -> Rules:
    """Return the lines of a pypdfium2 page with these objects."""
    import pypdfium2.raw as raw

    if len(objects.places) > MAX_OBJECTS:
        return Rules()
    found = _drawn(objects.of(raw.FPDF_PAGEOBJ_PATH).tolist())
    x, y, _, _ = page.get_bbox()
    if x or y:
        across = [(at - y, a - x, b - x) for at, a, b in found.across]
        found = Rules(across, [(at - x, a - y, b - y) for at, a, b in found.down])
    rotation = page.get_rotation()
    if rotation and (found.across or found.down):
        found = _turned(found, rotation, *page.get_size())
    return Rules(_joined(found.across), _joined(found.down))


def _drawn(paths: list[int]) -> Rules:
    """Return the lines, and the sides of the stroked rectangles, that paths draw."""
    boxes, known = bounds(paths)
    left, bottom, right, top = boxes.T
    flat = known & (top - bottom <= THIN) & (right - left > SHORT)
    thin = known & (right - left <= THIN) & (top - bottom > SHORT)
    across = [((y0 + y1) / 2, x0, x1) for x0, y0, x1, y1 in boxes[flat].tolist()]
    down = [((x0 + x1) / 2, y0, y1) for x0, y0, x1, y1 in boxes[thin].tolist()]
    large = [i for i in (known & ~flat & ~thin & (right - left > SHORT) & (top - bottom > SHORT)).nonzero()[0].tolist()]
    shapes = [paths[i] for i in large]
    sides = (segment_counts(shapes) // 2 == 2) & (draw_modes(shapes)[:, 1] > 0)
    for x0, y0, x1, y1 in boxes[large][sides].tolist():
        across += [(y0, x0, x1), (y1, x0, x1)]
        down += [(x0, y0, y1), (x1, y0, y1)]
    return Rules(across, down)


def _turned(rules: Rules, rotation: int, width: float, height: float) -> Rules:
    """Turn the lines of a rotated page; `width` and `height` are those of the page as shown."""
    if rotation == 180:
        across = [(height - y, width - x1, width - x0) for y, x0, x1 in rules.across]
        return Rules(across, [(width - x, height - y1, height - y0) for x, y0, y1 in rules.down])
    if rotation == 90:
        across = [(height - x, y0, y1) for x, y0, y1 in rules.down]
        return Rules(across, [(y, height - x1, height - x0) for y, x0, x1 in rules.across])
    across = [(x, width - y1, width - y0) for x, y0, y1 in rules.down]
    return Rules(across, [(width - y, x0, x1) for y, x0, x1 in rules.across])


def _joined(lines: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Join lines at one place whose ends touch."""
    joined: list[tuple[float, float, float]] = []
    for place in _clusters(sorted({(round(at, 1), round(a, 1), round(b, 1)) for at, a, b in lines})):
        at = sum(line[0] for line in place) / len(place)
        start, end = place[0][1], place[0][2]
        for _, a, b in place[1:]:
            if a > end + NEAR:
                joined.append((at, start, end))
                start = a
            end = max(end, b) if a >= start else end
        joined.append((at, start, end))
    return joined


def _clusters(lines: list[tuple[float, float, float]]) -> list[list[tuple[float, float, float]]]:
    """Gather lines, sorted by place, at about the same place; each gathering is sorted by beginning."""
    found: list[list[tuple[float, float, float]]] = []
    for line in lines:
        if found and line[0] - found[-1][0][0] <= THIN / 2:
            found[-1].append(line)
        else:
            found.append([line])
    return [sorted(place, key=lambda line: line[1]) for place in found]
