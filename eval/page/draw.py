"""Small pieces of SVG: scales, ticks, words. Every drawing is 360 units wide, as wide as a phone shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from eval.page.words import Text, either

WIDTH = 360


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to units of the drawing; values outside are held at the ends.

    Args:
        low: value drawn at `start`.
        high: value drawn at `end`; not equal to `low`.
        start: units.
        end: units; less than `start` on an axis that points up.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value lies."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + max(0.0, min(1.0, share)) * (self.end - self.start)


def finite(value: object) -> float | None:
    """Return a number that can be drawn, or None: missing, not a number, not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values in [low, high], steps of 1, 2, 2.5 or 5 times a power of ten, about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, count - 1)
    size = 10 ** math.floor(math.log10(raw))
    step = min((size * factor for factor in (1, 2, 2.5, 5, 10)), key=lambda item: abs(math.log(item / raw)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, last + 1)]


def short(value: float) -> str:
    """Return a number for an axis: no needless zeros."""
    return f"{value:.4g}".replace("-", "−")


def words(x: float, y: float, text: Text | str, css: str = "", anchor: str = "start") -> str:
    """Return a text of the drawing, in both languages where they differ; `anchor` is start, middle or end."""
    pairs = [("", "", text)] if isinstance(text, str) else [("en", "en", text.en), ("zh", "zh-CN", text.zh)]
    if not isinstance(text, str) and text.en == text.zh:
        pairs = [("", "", text.en)]
    made = []
    for name, lang, content in pairs:
        classes = " ".join(part for part in (css, name) if part)
        marks = (f' class="{classes}"' if classes else "") + (f' lang="{lang}"' if lang else "")
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        made.append(f'<text x="{x:.1f}" y="{y:.1f}"{marks}{place}>{escape(content)}</text>')
    return "".join(made)


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def rect(x: float, y: float, width: float, height: float, css: str) -> str:
    """Return a box; never of negative size."""
    size = f'width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} class="{css}"/>'


def dot(x: float, y: float, css: str, tip: str = "", radius: float = 4.0) -> str:
    """Return a point, with words that show when it is pointed at."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{css}">{title}</circle>'


def path(points: Sequence[tuple[float, float]], css: str, *, closed: bool = False) -> str:
    """Return a line through points, or the area within them."""
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{steps}{"Z" if closed else ""}" class="{css}"/>'


def whisker(x1: float, x2: float, y: float, reach: float = 4.0) -> str:
    """Return an interval that lies flat, with end strokes."""
    ends = f"M{x1:.1f} {y - reach:.1f}V{y + reach:.1f}M{x2:.1f} {y - reach:.1f}V{y + reach:.1f}"
    return f'<path d="M{x1:.1f} {y:.1f}H{x2:.1f}{ends}" class="whisker"/>'


def svg(height: float, body: str, title: Text | str) -> str:
    """Return a drawing that grows with the page; `title` is what a screen reader says of it."""
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" class="plot" role="img" aria-label="{either(title)}">'
    return f"{head}{body}</svg>"


def frame(across: Scale, up: Scale, x_title: Text, y_title: Text, marks: Sequence[tuple[float, str]]) -> str:
    """Return grid, ticks and titles of a plot with two axes; `marks` are (value, words) of the horizontal one."""
    parts = []
    for value in ticks(up.low, up.high):
        y = up.at(value)
        parts.append(line(across.start, y, across.end, y, "grid"))
        parts.append(words(across.start - 6, y + 4, short(value), "tick", "end"))
    for value, name in marks:
        x = across.at(value)
        parts.append(line(x, up.start, x, up.start + 4, "axis"))
        parts.append(words(x, up.start + 17, name, "tick", "middle"))
    parts.append(line(across.start, up.start, across.end, up.start, "axis"))
    parts.append(words((across.start + across.end) / 2, up.start + 34, x_title, "name", "middle"))
    parts.append(words(2, up.end - 9, y_title, "name"))
    return "".join(parts)
