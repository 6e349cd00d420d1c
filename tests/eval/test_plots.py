"""The plots, read back: where points lie, which words stand there, and that nothing is drawn from nothing."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.page.curves import (
    area_under,
    bin_counts,
    histogram,
    quantile,
    recall_curve,
    reliability,
    risk_coverage,
    roc,
)
from eval.page.draw import WIDTH, Scale, finite, short, ticks
from eval.page.plots import Bar, Group, bar_of, dot_rows, fit, forest, interval_bars
from eval.page.words import Text

TITLE = Text("A plot", "一幅图")
EVERY: dict[str, Any] = {
    "bars": lambda: interval_bars([Bar("x", 0.4, 0.3, 0.5, 9), Bar("y", None, None, None, 0)], TITLE),
    "dots": lambda: dot_rows([Group("x", [Bar("en", 0.4, 0.3, 0.5, 9), Bar("zh", None, None, None, 0)])], TITLE),
    "forest": lambda: forest([Bar("x", -0.1, -0.2, 0.1, 9)], [True], 0.2, TITLE),
    "risk": lambda: risk_coverage([{"coverage": 0.1, "risk": 0}, {"coverage": 1, "risk": 0.5}], None, TITLE),
    "reliability": lambda: reliability([{"low": 0, "high": 1, "confidence": 0.5, "accuracy": 1, "n": 3}], TITLE),
    "recall": lambda: recall_curve([{"k": 1, "value": 0.5}, {"k": 10, "value": math.nan}], TITLE),
    "roc": lambda: roc([{"fpr": 0, "tpr": 0}, {"fpr": 1, "tpr": 1}], 0.5, TITLE),
    "histogram": lambda: histogram([0.1, 0.2, None, math.inf, 5.0], TITLE),
}


def parse(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)


def attributes(drawing: str, tag: str, css: str) -> list[dict[str, str]]:
    return [node.attrib for node in parse(drawing).iter(tag) if css in node.attrib.get("class", "").split()]


def texts(drawing: str) -> list[str]:
    return [node.text or "" for node in parse(drawing).iter("text")]


def line_points(drawing: str, css: str) -> list[tuple[float, float]]:
    (found,) = attributes(drawing, "path", css)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", found["d"])]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.lists(st.floats(-2e6, 2e6), min_size=2))
def test_a_scale_keeps_order_and_stays_within(low: float, width: float, values: list[float]) -> None:
    scale = Scale(low, low + width, 10, 200)
    placed = [scale.at(value) for value in sorted(values)]
    assert placed == sorted(placed)
    assert min(placed) >= 10 and max(placed) <= 200
    up = Scale(low, low + width, 200, 10)
    assert [up.at(value) for value in sorted(values)] == pytest.approx([210 - x for x in placed])


def test_a_scale_in_numbers() -> None:
    assert Scale(0, 1, 6, 354).at(0.5) == 180
    assert Scale(-0.2, 0.2, 12, 348).at(0) == pytest.approx(180)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (0, 37, [0, 10, 20, 30]),
        (-0.11, 0.11, [-0.1, -0.05, 0, 0.05, 0.1]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_within_in_equal_steps(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert 2 <= len(found) <= 11
    assert all(low - width * 1e-6 <= tick <= low + width * (1 + 1e-6) for tick in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[0], rtol=1e-4)


def test_only_real_numbers_are_drawn() -> None:
    assert [finite(x) for x in (1, 0.5, None, math.nan, math.inf, True, "1")] == [1, 0.5, None, None, None, None, None]
    assert short(-0.05) == "−0.05" and short(1.0) == "1" and short(0.25) == "0.25"


@pytest.mark.parametrize("name", EVERY)
def test_every_plot_is_one_clean_drawing(name: str) -> None:
    drawing = EVERY[name]()
    root = parse(drawing)  # well-formed
    assert root.tag == "svg" and root.attrib["viewBox"].startswith(f"0 0 {WIDTH} ")
    assert not re.search(r"nan|inf\b|None", drawing)
    assert "A plot" in root.attrib["aria-label"] and "一幅图" in root.attrib["aria-label"]
    for node in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert -1 <= float(node.attrib.get(key, 0)) <= WIDTH + 1, (name, node.attrib)


def test_nothing_is_drawn_from_nothing() -> None:
    nothing: list[dict[str, Any]] = []
    assert interval_bars([Bar("x", None, None, None, 0)], TITLE) == ""
    assert dot_rows([Group("x", [Bar("en", None, None, None, 0)])], TITLE) == ""
    assert forest([Bar("x", None, None, None, 0)], [False], 0.0, TITLE) == ""
    assert risk_coverage(nothing, 0.3, TITLE) == reliability(nothing, TITLE) == recall_curve(nothing, TITLE) == ""
    assert roc([{"fpr": 0.5, "tpr": None}], 0.5, TITLE) == ""
    assert histogram([None, math.nan], TITLE) == "" == histogram([0.0, 0.0], TITLE)
    assert reliability([{"low": 0, "high": 0.1, "confidence": None, "accuracy": None, "n": 0}], TITLE) == ""


def test_bars_are_as_long_as_their_figures() -> None:
    drawing = interval_bars(
        [bar_of("a", {"value": 0.5, "low": 0.25, "high": 0.75, "n": 4}), Bar("b", 1.0, None, None, 1)], TITLE
    )
    first, second = attributes(drawing, "rect", "bar")
    assert float(second["width"]) == pytest.approx(2 * float(first["width"])) == pytest.approx(348)
    assert first["x"] == second["x"] == "6.0"
    (whisker,) = attributes(drawing, "path", "whisker")
    assert whisker["d"].startswith("M93.0 28.0H267.0")  # 6 + 348 x 0.25, 6 + 348 x 0.75
    assert {"0.500", "0.250 – 0.750", "1.000", "0", "0.25", "1"} <= set(texts(drawing))


def test_a_figure_beyond_one_stretches_the_axis() -> None:
    drawing = interval_bars([Bar("a", 40.0, 30.0, 50.0, 4), Bar("b", 0.5, None, None, 1)], TITLE)
    first, second = attributes(drawing, "rect", "bar")
    assert float(first["width"]) / float(second["width"]) == pytest.approx(80, rel=0.05)
    assert "50" in texts(drawing)


def test_lower_is_better_looks_different() -> None:
    assert "down" in interval_bars([Bar("error", 0.2, None, None, 3, lower_is_better=True)], TITLE)


def test_long_names_are_cut_to_their_room() -> None:
    assert fit("short", 222) == "short" and fit(Text("short", "短"), 222) == ("short", "短")
    assert fit("x" * 99, 222) == "x" * 28 + "…"  # 29 letters fit; one makes way for the dots
    assert fit("长" * 99, 222) == "长" * 16 + "…"
    drawing = interval_bars([Bar("nli:organisation/" + "model-" * 20, 0.5, 0.4, 0.6, 3)], TITLE)
    assert any(text.startswith("nli:organisation/model-") and text.endswith("…") for text in texts(drawing))


def test_dots_of_groups_share_one_axis() -> None:
    drawing = dot_rows([Group("F1", [Bar("en", 0.0, None, None, 2), Bar("zh", 0.5, 0.4, 0.6, 2)])], TITLE)
    left, middle = (float(point["cx"]) for point in attributes(drawing, "circle", "point"))
    assert (left, middle) == (112, 112 + (WIDTH - 50 - 112) / 2)
    assert "zh: 0.500 (95 %: 0.400 – 0.600), n = 2" in drawing


def test_risk_grows_upward_and_its_area_is_named() -> None:
    rows = [{"coverage": 1.0, "risk": 0.4}, {"coverage": 0.0, "risk": 0.0}, {"coverage": 0.5, "risk": 0.2}]
    points = line_points(risk_coverage(rows, None, TITLE), "curve")
    assert [x for x, _ in points] == [38, 189, 340]  # sorted by coverage, straight from edge to edge
    ys = [y for _, y in points]
    assert ys == sorted(ys, reverse=True) and ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.11)
    assert area_under([(0, 0), (0.5, 0.2), (1, 0.4)]) == pytest.approx(0.2)
    assert {"area 0.200", "面积 0.200"} <= set(texts(risk_coverage(rows, None, TITLE)))
    assert "area 0.317" in texts(risk_coverage(rows, 0.317, TITLE))  # the run's own figure goes first


def test_reliability_shows_the_gap_and_the_counts() -> None:
    bins = [
        {"low": 0.0, "high": 0.5, "confidence": 0.25, "accuracy": 0.25, "n": 10},
        {"low": 0.5, "high": 1.0, "confidence": 0.75, "accuracy": 0.5, "n": 40},
        {"low": 0.9, "high": 1.0, "confidence": None, "accuracy": None, "n": 0},
    ]
    drawing = reliability(bins, TITLE)
    calibrated, sure = attributes(drawing, "line", "gap")
    assert calibrated["y1"] == calibrated["y2"]
    assert float(sure["y1"]) - float(sure["y2"]) == pytest.approx(0.25 * 190)
    small, large = attributes(drawing, "rect", "count")
    assert float(large["height"]) == pytest.approx(4 * float(small["height"]))
    assert {"10", "40"} <= set(texts(drawing))


def test_recall_doubles_in_equal_steps() -> None:
    rows = [{"k": k, "value": v, "low": v - 0.1, "high": v + 0.1} for k, v in ((1, 0.5), (2, 0.7), (4, 0.9))]
    drawing = recall_curve(rows, TITLE)
    points = line_points(drawing, "curve")
    assert points[1][0] - points[0][0] == pytest.approx(points[2][0] - points[1][0], abs=0.11)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    band = line_points(drawing, "area")
    assert len(band) == 6 and band[0][1] < points[0][1] < band[-1][1]  # above the curve, then back below it
    assert not attributes(recall_curve([{"k": 1, "value": 0.5}, {"k": 2, "value": 0.6}], TITLE), "path", "area")


def test_roc_of_guessing_is_the_diagonal() -> None:
    drawing = roc([{"fpr": x / 4, "tpr": x / 4} for x in range(5)], None, TITLE)
    points = line_points(drawing, "curve")
    assert [x for x, _ in points] == [38, 113.5, 189, 264.5, 340]
    assert [y for _, y in points] == pytest.approx([214, 166.5, 119, 71.5, 24])
    (diagonal,) = attributes(drawing, "line", "ideal")
    assert (diagonal["x1"], diagonal["y1"], diagonal["x2"], diagonal["y2"]) == ("38.0", "214.0", "340.0", "24.0")
    assert any("area 0.500" in text for text in texts(drawing))


def test_times_are_binned_and_marked() -> None:
    assert bin_counts([0.0, 0.4, 0.5, 0.99, 1.0, 7.0], 1.0, 2) == [2, 4]
    seconds = [index / 100 for index in range(1, 101)]
    assert quantile(seconds, 0.5) == pytest.approx(float(np.percentile(seconds, 50)))
    assert quantile(seconds, 0.95) == pytest.approx(float(np.percentile(seconds, 95)))
    drawing = histogram(seconds, TITLE)
    bars = attributes(drawing, "rect", "bar")
    assert len(bars) == 20 and len({bar["height"] for bar in bars}) <= 3
    assert {"p50 500 ms", "p95 950 ms", "time an example (ms)"} <= set(texts(drawing))
    assert "time an example (s)" in texts(histogram([value * 60 for value in seconds], TITLE))


def test_one_slow_example_does_not_flatten_the_rest() -> None:
    heights = [
        float(bar["height"]) for bar in attributes(histogram([0.1, 0.11, 0.12] * 40 + [900.0], TITLE), "rect", "bar")
    ]
    assert sum(height > 0 for height in heights) >= 2
    assert heights[-1] > 0  # the slow one is in the last bar


def test_forest_is_symmetric_and_tells_chance_from_change() -> None:
    drawing = forest([Bar("a", 0.1, 0.05, 0.15, 9), Bar("b", -0.1, -0.15, 0.02, 9)], [True, False], 0.15, TITLE)
    right, left = attributes(drawing, "circle", "point")
    assert float(right["cx"]) - 180 == pytest.approx(180 - float(left["cx"]), abs=0.11)
    assert "hollow" not in right["class"] and "hollow" in left["class"]
    assert {"+0.100", "−0.100"} <= set(texts(drawing))
