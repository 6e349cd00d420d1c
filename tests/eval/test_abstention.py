import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.abstention import (
    aurc,
    brier,
    calibration_error,
    correctness,
    curves_of,
    promised,
    reliability,
    risk_at,
    risk_coverage,
    set_metrics,
)


def row(confidence: float | None, right: float = 0.0, **fields: Any) -> dict[str, Any]:
    """A given answer of this confidence and correctness."""
    scores = {"token_f1": right, "numeric_accuracy": None}
    plain = {"prediction": "是", "abstained": False, "error": None, "answerable": True, "scores": scores}
    return {**plain, "confidence": confidence, **fields}


def abstained(confidence: float, answerable: bool = False) -> dict[str, Any]:
    return row(confidence, prediction="", abstained=True, answerable=answerable)


def points(rows: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(p["coverage"], p["risk"]) for p in risk_coverage(rows)]


def area(rows: list[dict[str, Any]]) -> float:
    return aurc(rows, resamples=10)["value"]


def test_correctness_is_stated() -> None:
    assert correctness(row(0.9, 0.4)) == 0.4
    number = {"token_f1": 0.2, "numeric_accuracy": 1.0}
    assert correctness(row(0.9, scores=number)) == 1.0
    assert correctness(row(0.9, scores={"token_f1": 0.9, "numeric_accuracy": 0.0})) == 0.0
    assert correctness(row(0.9, 1.0, answerable=False)) == 0.0
    assert correctness(abstained(0.2)) == 0.0
    assert correctness(row(None, 1.0, error="ValueError: x", prediction="")) == 0.0


def test_the_curve_by_hand() -> None:
    # by falling confidence right, wrong, half, right: risks 0/1, 1/2, 1.5/3, 1.5/4; area their mean
    rows = [row(0.7, 0.5), row(0.9, 1.0), row(0.6, 1.0), row(0.8, 0.0)]
    assert points(rows) == [(0.25, 0), (0.5, 0.5), (0.75, 0.5), (1.0, 0.375)]
    assert area(rows) == pytest.approx((0 + 0.5 + 0.5 + 0.375) / 4)
    assert risk_at(rows, resamples=10)["value"] == 0.375  # 80 % of four are all four
    assert risk_at([*rows, row(0.1, 0.0)], resamples=10)["value"] == 0.375  # four of five


def test_examples_of_equal_confidence_are_taken_together() -> None:
    # 1 right at 0.9, then right and wrong both at 0.5: no threshold parts them; area 1/3 x 0 + 2/3 x 1/3
    rows = [row(0.5, 0.0), row(0.9, 1.0), row(0.5, 1.0)]
    assert points(rows) == [(pytest.approx(1 / 3), 0), (1.0, pytest.approx(1 / 3))]
    assert area(rows) == pytest.approx(2 / 9)
    assert points(rows[::-1]) == points(rows)


def test_an_answer_to_an_unanswerable_question_is_a_risk_and_abstaining_is_never_worse() -> None:
    sure, unsure = row(0.9, 1.0), row(0.3, answerable=False)
    assert points([sure, unsure]) == [(0.5, 0.0), (1.0, 0.5)]
    assert area([sure, abstained(0.3)]) == area([sure, unsure]) == pytest.approx(0.25)
    assert area([row(0.2, 1.0), abstained(0.3)]) < area([row(0.2, 1.0), unsure])


def test_what_was_not_answered_comes_last_whatever_its_confidence() -> None:
    rows = [abstained(0.99), row(0.4, 1.0), row(None, 0.5), row(None, error="ValueError: x", prediction="")]
    # 0.4 right; the answer without confidence; then the failure and the abstention, one by one
    assert points(rows) == [
        (0.25, 0.0),
        (0.5, pytest.approx(0.5 / 2)),
        (0.75, pytest.approx(1.5 / 3)),
        (1.0, pytest.approx(2.5 / 4)),
    ]


def test_without_a_confidence_there_is_no_curve() -> None:
    rows = [row(None, 1.0), abstained(0.9)]
    assert curves_of(rows) == {"risk_coverage": [], "reliability": []}
    assert {name: value["value"] for name, value in set_metrics(rows, resamples=10).items()} == dict.fromkeys(
        ("aurc", "risk@0.8", "ece", "brier")
    )
    assert set_metrics([], resamples=10)["aurc"]["n"] == 0


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    rows = [row(1 - i / 1000, float(i % 3 > 0)) for i in range(1000)]
    found = risk_coverage(rows)
    assert len(found) == 101
    assert (found[0]["coverage"], found[-1]["coverage"]) == (0.001, 1.0)
    assert found[-1]["risk"] == pytest.approx(334 / 1000)
    assert all(a["coverage"] < b["coverage"] for a, b in pairwise(found))


unit = st.floats(0, 1, allow_nan=False)
pairs = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0]) | unit, unit), min_size=1)


@given(pairs)
def test_the_area_is_the_mean_of_the_risks_at_every_threshold(values: list[tuple[float, float]]) -> None:
    risks = []
    for threshold, _ in values:
        taken = [1 - right for sure, right in values if sure >= threshold]
        risks.append(sum(taken) / len(taken))
    assert area([row(sure, right) for sure, right in values]) == pytest.approx(sum(risks) / len(risks))


def test_the_interval_draws_examples_anew() -> None:
    # reference: draw rows, then compute the area of the drawn rows from scratch
    drawn = random.Random(3)
    rows = [row(round(drawn.random(), 1), drawn.random()) for _ in range(45)]
    found = aurc(rows, seed=7, resamples=200)
    generator = np.random.default_rng(7)
    areas = [area([rows[i] for i in generator.integers(0, 45, size=45)]) for _ in range(200)]
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(areas, [0.025, 0.975]))
    assert found["low"] < found["value"] < found["high"]


def test_a_perfect_order_has_the_smallest_area_and_its_reverse_the_largest() -> None:
    right = [1.0] * 6 + [0.0] * 4
    best = area([row(0.9 - i / 100, value) for i, value in enumerate(right)])
    worst = area([row(0.1 + i / 100, value) for i, value in enumerate(right)])
    mixed = area([row(0.5, value) for value in right])
    assert best == pytest.approx((1 / 7 + 2 / 8 + 3 / 9 + 4 / 10) / 10)
    assert mixed == pytest.approx(0.4)
    assert best < mixed < worst


def test_calibration_by_hand() -> None:
    # (0.9, 1]: 0.95 and 1.0, one right: |0.975 - 0.5| x 2/5; (0.2, 0.3]: 0.3, wrong: 0.3 x 1/5;
    # first bin: 0.0 and 0.1, one half right: |0.05 - 0.25| x 2/5
    sure, right = [0.95, 1.0, 0.3, 0.0, 0.1], [1.0, 0.0, 0.0, 0.5, 0.0]
    assert calibration_error(sure, right, resamples=10)["value"] == pytest.approx(
        0.475 * 2 / 5 + 0.3 * 1 / 5 + 0.2 * 2 / 5
    )
    bins = reliability(sure, right)
    assert [(b["low"], b["high"], b["n"]) for b in bins] == [(0.0, 0.1, 2), (0.2, 0.3, 1), (0.9, 1.0, 2)]
    assert [b["confidence"] for b in bins] == pytest.approx([0.05, 0.3, 0.975])
    assert [b["accuracy"] for b in bins] == pytest.approx([0.25, 0.0, 0.5])
    squares = [0.05**2, 1.0, 0.3**2, 0.5**2, 0.1**2]
    assert brier(sure, right, resamples=10)["value"] == pytest.approx(sum(squares) / 5)


@given(pairs)
def test_calibration_error_is_that_of_a_plain_loop(values: list[tuple[float, float]]) -> None:
    total = 0.0
    for i in range(10):
        inside = [(s, r) for s, r in values if i / 10 + 1e-10 < s <= (i + 1) / 10 + 1e-10 or (i == 0 and s <= 1e-10)]
        if inside:
            means = [sum(column) / len(inside) for column in zip(*inside, strict=True)]
            total += len(inside) / len(values) * abs(means[0] - means[1])
    sure, right = zip(*values, strict=True)
    assert calibration_error(sure, right, resamples=1)["value"] == pytest.approx(total)


def test_brier_of_yes_and_no_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    drawn = random.Random(1)
    sure, right = [drawn.random() for _ in range(50)], [float(drawn.random() < 0.4) for _ in range(50)]
    assert brier(sure, right, resamples=10)["value"] == pytest.approx(metrics.brier_score_loss(right, sure))


def test_calibration_is_of_given_answers_with_a_confidence() -> None:
    rows = [row(0.9, 1.0), abstained(0.1), row(None, 1.0), row(0.4, answerable=False)]
    assert promised(rows) == ([0.9, 0.4], [1.0, 0.0])
    found = set_metrics(rows, resamples=50)
    assert list(found) == ["aurc", "risk@0.8", "ece", "brier"]
    assert (found["ece"]["n"], found["aurc"]["n"]) == (2, 4)
    assert found["ece"]["value"] == pytest.approx((0.1 + 0.4) / 2)


def test_what_cannot_be_a_confidence_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"confidences must lie in \[0, 1\], got 1\.2"):
        reliability([0.5, 1.2], [1.0, 1.0])
    with pytest.raises(ValueError, match="2 confidences, 1 outcomes"):
        brier([0.5, 0.2], [1.0])
