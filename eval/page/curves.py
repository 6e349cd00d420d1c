"""Plots with two axes: data in, SVG out. Without data, an empty string; what is not finite is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from eval.page.draw import WIDTH, Scale, dot, finite, frame, line, path, rect, short, svg, ticks, words
from eval.page.words import Text

Point = Mapping[str, Any]

LEFT, RIGHT, TOP = 38.0, WIDTH - 20.0, 24.0
_BINS = 20


def _points(rows: Sequence[Point], x: str, y: str) -> list[tuple[float, float]]:
    pairs = ((finite(row.get(x)), finite(row.get(y))) for row in rows)
    return sorted((a, b) for a, b in pairs if a is not None and b is not None)


def _square(height: float = 190.0, low: float = 0.0, high: float = 1.0) -> tuple[Scale, Scale]:
    return Scale(0.0, 1.0, LEFT, RIGHT), Scale(low, high, TOP + height, TOP)


_SHARES = [(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)]


def area_under(points: Sequence[tuple[float, float]]) -> float:
    """Return the area under a line through points, by trapezoids."""
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def risk_coverage(rows: Sequence[Point], area: float | None, title: Text | str) -> str:
    """Draw the error among the questions answered, the surest first; `area` is the run's own figure."""
    points = _points(rows, "coverage", "risk")
    if len(points) < 2:
        return ""
    across, up = _square(high=max(ticks(0.0, max(0.2, *(risk for _, risk in points)) * 1.25)))
    line_ = [(across.at(x), up.at(y)) for x, y in points]
    floor = [(line_[-1][0], up.start), (line_[0][0], up.start)]
    shown = area_under(points) if area is None else area
    label = Text(f"area {shown:.3f}", f"面积 {shown:.3f}")
    body = path([*line_, *floor], "area", closed=True) + frame(
        across,
        up,
        Text("questions answered, surest first", "作答比例（最有把握者优先）"),
        Text("error", "错误率"),
        _SHARES,
    )
    body += path(line_, "curve") + words(RIGHT - 6, up.start - 10, label, "value", "end")
    x, y = line_[-1]
    return svg(up.start + 40, body + dot(x, y, "point", f"100 %: {points[-1][1]:.3f}"), title)


def reliability(bins: Sequence[Point], title: Text | str) -> str:
    """Draw how often answers of each confidence are right, beside how often they should be; counts below."""
    kept = [row for row in bins if row.get("n") and finite(row.get("accuracy")) is not None]
    if not kept:
        return ""
    across, up = _square()
    most = max(int(row["n"]) for row in kept)
    parts = [line(across.at(0), up.at(0), across.at(1), up.at(1), "ideal")]
    parts.append(words(across.at(0.02), up.at(0.9), Text("dashed: as sure as right", "虚线：把握与正确相符"), "tick"))
    base = up.start + 92
    for row in kept:
        low, high = finite(row.get("low")) or 0.0, finite(row.get("high"))
        left, right = across.at(low), across.at(1.0 if high is None else high)
        accuracy = float(row["accuracy"])
        middle = finite(row.get("confidence"))
        middle = (low + (1.0 if high is None else high)) / 2 if middle is None else middle
        x, y = across.at(middle), up.at(accuracy)
        tall = 34 * int(row["n"]) / most
        parts.append(rect(left + 1, y, right - left - 2, up.start - y, "area"))
        parts.append(line(x, y, x, up.at(middle), "gap"))
        parts.append(dot(x, y, "point", f"{middle:.2f} → {accuracy:.2f}, n = {row['n']}"))
        parts.append(rect(left + 1, base - tall, right - left - 2, tall, "count"))
        parts.append(words((left + right) / 2, base + 12, str(row["n"]), "tick", "middle"))
    counts = words(2, base + 12, "n", "tick")
    grid = frame(across, up, Text("stated confidence", "自报置信度"), Text("share right", "正确率"), _SHARES)
    return svg(base + 18, grid + "".join(parts) + counts, title)


def recall_curve(rows: Sequence[Point], title: Text | str) -> str:
    """Draw recall over how many passages are read, in steps of doubling, with the interval as a band."""
    points = [
        (k, value, row)
        for row in rows
        if (k := finite(row.get("k"))) and (value := finite(row.get("value"))) is not None
    ]
    points = sorted((item for item in points if item[0] >= 1), key=lambda item: item[0])
    if not points:
        return ""
    last = max(2.0, points[-1][0])
    across, up = Scale(0.0, math.log(last), LEFT + 8, RIGHT), Scale(0.0, 1.0, TOP + 190, TOP)
    place = [(across.at(math.log(k)), up.at(value)) for k, value, _ in points]
    edges = [(finite(row.get("low")), finite(row.get("high"))) for _, _, row in points]
    body = ""
    if len(points) > 1 and all(low is not None and high is not None for low, high in edges):
        upper = [(x, up.at(high or 0.0)) for (x, _), (_, high) in zip(place, edges, strict=True)]
        lower = [(x, up.at(low or 0.0)) for (x, _), (low, _) in zip(place, edges, strict=True)]
        body += path([*upper, *reversed(lower)], "area", closed=True)
    names = [(math.log(k), f"{k:.0f}") for k, _, _ in points]
    body += frame(across, up, Text("passages read (k)", "阅读的段落数（k）"), Text("found", "找到的比例"), names)
    body += path(place, "curve") if len(place) > 1 else ""
    body += "".join(
        dot(x, y, "point", f"k = {k:.0f}: {v:.3f}") for (x, y), (k, v, _) in zip(place, points, strict=True)
    )
    for index in sorted({0, len(points) - 1}):
        x, y = place[index]
        below = y + 18 if y + 18 < up.start else y - 10
        body += words(
            x, below, f"{points[index][1]:.3f}", "value small", "start" if index == 0 and len(points) > 1 else "end"
        )
    return svg(up.start + 40, body, title)


def roc(rows: Sequence[Point], area: float | None, title: Text | str) -> str:
    """Draw hits against false alarms over all thresholds; `area` is the run's AUROC."""
    points = _points(rows, "fpr", "tpr")
    if len(points) < 2:
        return ""
    across, up = _square()
    line_ = [(across.at(x), up.at(y)) for x, y in points]
    shown = area_under(points) if area is None else area
    body = path([*line_, (across.end, up.start), (across.start, up.start)], "area", closed=True)
    body += frame(across, up, Text("false alarms", "误报率"), Text("rightly found", "检出率"), _SHARES)
    body += line(across.at(0), up.at(0), across.at(1), up.at(1), "ideal") + path(line_, "curve")
    label = Text(f"area {shown:.3f} · dashed: guessing", f"面积 {shown:.3f} · 虚线：瞎猜")
    return svg(up.start + 40, body + words(RIGHT - 6, up.start - 10, label, "value", "end"), title)


def histogram(values: Sequence[Any], title: Text | str) -> str:
    """Draw how long examples took, with p50 and p95; the last bar holds everything slower than three times p95."""
    seconds = sorted(value for item in values if (value := finite(item)) is not None and value >= 0)
    if len(seconds) < 2 or seconds[-1] <= 0:
        return ""
    p50, p95 = (quantile(seconds, share) for share in (0.5, 0.95))
    top = min(seconds[-1], 3 * p95) or seconds[-1]
    counts = bin_counts(seconds, top, _BINS)
    factor, unit = (1000.0, "ms") if p95 < 1 else (1.0, "s")
    across, up = Scale(0.0, top, LEFT, RIGHT), Scale(0.0, max(counts), TOP + 170, TOP + 22)
    marks = [(tick / factor, short(tick)) for tick in ticks(0.0, top * factor)]
    body = frame(across, up, Text(f"time an example ({unit})", f"每条用时（{unit}）"), Text("examples", "条数"), marks)
    width = (across.end - across.start) / _BINS
    for index, count in enumerate(counts):
        y = up.at(count)
        body += rect(across.start + index * width + 0.5, y, width - 1, up.start - y, "bar")
    for name, value, level in (("p50", p50, 12.0), ("p95", p95, 28.0)):
        x = across.at(value)
        anchor = "start" if x < (LEFT + RIGHT) / 2 else "end"
        body += line(x, TOP + level - 8, x, up.start, "mark")
        shift = 5 if anchor == "start" else -5
        body += words(
            x + shift, TOP + level, f"{name} {float(f'{value * factor:.2g}'):g} {unit}", "value small", anchor
        )
    return svg(up.start + 40, body, title)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted numbers, straight between neighbours (as numpy does)."""
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def bin_counts(values: Sequence[float], top: float, bins: int) -> list[int]:
    """Return how many values fall into each of equal bins over [0, top]; larger ones count in the last."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(value / top * bins))] += 1
    return counts
