"""Set-level figures of a detector, against pairs counted one by one and hand-worked tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval import detection
from eval.abstention import reliability
from eval.detection import clustered, columns, figures, roc
from eval.paired import differences
from eval.stamp import RunOptions

OPTIONS = RunOptions(resamples=100, seed=3)


def row(label: str, score: float, **more: object) -> dict:
    predicted = "hallucinated" if score < 0.5 else "faithful"
    base = {"label": label, "score": score, "predicted": predicted, "group": "", "gold": label, "verdict": "supported"}
    return {**base, "span_counts": None, "error": None, **more}


def random_rows(n: int, seed: int = 0) -> list[dict]:
    draw = np.random.default_rng(seed)
    scores = draw.integers(0, 12, n) / 11  # many ties
    bad = draw.random(n) < 0.4
    return [
        row("hallucinated" if b else "faithful", float(s * (0.7 if b else 1.0)), group=str(i // 3))
        for i, (b, s) in enumerate(zip(bad, scores, strict=True))
    ]


def pair_count(rows: list[dict]) -> float:
    """AUROC by its definition: every faithful response against every hallucinated one."""
    good = [r["score"] for r in rows if r["label"] == "faithful"]
    bad = [r["score"] for r in rows if r["label"] == "hallucinated"]
    wins = sum((g > b) + 0.5 * (g == b) for g in good for b in bad)
    return wins / (len(good) * len(bad))


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_pairs_in_order(seed: int) -> None:
    rows = random_rows(60, seed)
    assert detection.auroc(columns(rows), np.ones(60)) == pytest.approx(pair_count(rows))


def test_a_weight_stands_for_repetition() -> None:
    rows = random_rows(40)
    times = np.random.default_rng(1).integers(0, 4, 40)
    repeated = [r for r, n in zip(rows, times, strict=True) for _ in range(n)]
    for name, measure in detection.MEASURES.items():
        weighed = measure(columns(rows), times.astype(float))
        plain = measure(columns(repeated), np.ones(len(repeated)))
        assert weighed == pytest.approx(plain) if weighed is not None else plain is None, name


def test_auroc_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rows = random_rows(80, 7)
    truth = [r["label"] == "hallucinated" for r in rows]
    said = [r["predicted"] == "hallucinated" for r in rows]
    found = figures(rows, OPTIONS)
    assert found["auroc"]["value"] == pytest.approx(metrics.roc_auc_score(truth, [-r["score"] for r in rows]))
    assert found["f1"]["value"] == pytest.approx(metrics.f1_score(truth, said))
    assert found["balanced_accuracy"]["value"] == pytest.approx(metrics.balanced_accuracy_score(truth, said))


def test_shares_by_hand() -> None:
    rows = [row("hallucinated", s) for s in (0.1, 0.2, 0.9)] + [row("faithful", s) for s in (0.4, 0.6, 0.7, 0.8, 0.95)]
    values = {name: found["value"] for name, found in figures(rows, OPTIONS).items()}
    assert values["recall"] == pytest.approx(2 / 3)
    assert values["specificity"] == pytest.approx(4 / 5)
    assert values["precision"] == pytest.approx(2 / 3)
    assert values["f1"] == pytest.approx(2 / 3)
    assert values["accuracy"] == pytest.approx(6 / 8)
    assert values["balanced_accuracy"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    gaps = [0.1, 0.2, abs(0.4 - 1), abs(0.6 - 1), abs(0.7 - 1), abs(0.8 - 1), 0.9, abs(0.95 - 1)]
    assert values["ece"] == pytest.approx(sum(gaps) / 8)  # each in a bin of its own


def test_the_threshold_is_fitted_on_the_other_half() -> None:
    """Scores are shifted: at 0.5 all are called faithful, yet one threshold parts them."""
    rows = [row("hallucinated", 0.6 + i / 1000, group=f"h{i}") for i in range(20)]
    rows += [row("faithful", 0.8 + i / 1000, group=f"f{i}") for i in range(20)]
    found = figures(rows, OPTIONS)
    assert found["balanced_accuracy"]["value"] == pytest.approx(0.5)
    assert found["balanced_accuracy_fitted"]["value"] == pytest.approx(1.0)


def test_a_threshold_fitted_on_one_half_does_not_see_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half alone is parted without error, at another place: fitted across, one class is always wrong."""
    monkeypatch.setattr(detection, "SPLITS", 1)
    names = [str(i) for i in range(40)]
    (half,) = columns([row("faithful", 0.5, group=name) for name in names]).halves
    rows = []
    for side, low, high in ((True, 0.1, 0.3), (False, 0.7, 0.9)):
        members = [name for name, held in zip(names, half, strict=True) if held == side]
        assert len(members) > 6
        for at, name in enumerate(members):
            label, score = ("hallucinated", low) if at % 2 else ("faithful", high)
            rows.append(row(label, score, group=name))
    assert figures(rows, OPTIONS)["balanced_accuracy_fitted"]["value"] == pytest.approx(0.5, abs=0.05)


def test_ways_to_halve() -> None:
    """Responses to one source are never parted, and the ways differ."""
    halves = columns([row("faithful", 0.5, group=str(i // 4)) for i in range(400)]).halves
    assert halves.shape == (detection.SPLITS, 400)
    assert all((half.reshape(100, 4).std(axis=1) == 0).all() and 0.3 < half.mean() < 0.7 for half in halves)
    assert len({tuple(half) for half in halves}) == detection.SPLITS


def test_one_class_has_no_figure_and_says_so() -> None:
    found = figures([row("faithful", 0.9, group=str(i)) for i in range(12)], OPTIONS)
    for name in ("auroc", "balanced_accuracy", "balanced_accuracy_fitted", "f1", "recall"):
        assert found[name]["value"] is None, name
    assert found["specificity"]["value"] == 1.0


def test_no_row_and_failed_rows() -> None:
    assert figures([], OPTIONS)["auroc"] == {"value": None, "low": None, "high": None, "n": 0}
    rows = [row("faithful", 0.9), row("hallucinated", 0.1), row("faithful", 0.0, error="ValueError: no")]
    found = figures(rows, OPTIONS)
    assert found["auroc"]["value"] == 1.0
    assert found["auroc"]["n"] == 2


def test_span_f1_counts_characters_over_the_set() -> None:
    rows = [
        row("hallucinated", 0.1, span_counts=(5, 10, 20)),
        row("faithful", 0.4, span_counts=(0, 10, 0)),
        row("faithful", 0.9, span_counts=(0, 0, 0)),
        row("hallucinated", 0.2, span_counts=None),
    ]
    found = figures(rows, OPTIONS)
    assert found["span_f1"]["value"] == pytest.approx(2 * 5 / (20 + 20))
    assert found["span_f1_mean"]["value"] == pytest.approx((2 * 5 / 30 + 0 + 1) / 3)
    assert found["span_f1"]["n"] == 3
    nothing_marked = figures([row("faithful", 0.9, span_counts=(0, 0, 0))] * 3, OPTIONS)
    assert nothing_marked["span_f1"] == {"value": None, "low": None, "high": None, "n": 0}


def test_three_labels_by_hand() -> None:
    def claim(gold: str, said: str) -> dict:
        return row("faithful" if gold == "supported" else "hallucinated", 0.5, gold=gold, verdict=said)

    s, c, n = "supported", "contradicted", "not_enough_info"
    rows = [claim(s, s), claim(s, s), claim(s, n), claim(c, c), claim(c, s), claim(n, n)]
    values = figures(rows, OPTIONS)
    assert values["verdict_accuracy"]["value"] == pytest.approx(4 / 6)
    assert values["verdict_macro_f1"]["value"] == pytest.approx((4 / 6 + 2 / 3 + 2 / 3) / 3)
    two = figures([claim(s, s), claim("not_supported", n)], OPTIONS)
    assert two["verdict_accuracy"]["value"] is None


def test_sources_are_drawn_together() -> None:
    """Thirty copies of each of twenty examples know no more than the twenty: drawn alone the interval is too narrow."""
    once = [row("hallucinated" if i % 2 else "faithful", (i * 7 % 20) / 20, group=str(i)) for i in range(20)]
    copies = [r for r in once for _ in range(30)]
    alone = [r | {"group": str(i)} for i, r in enumerate(copies)]
    together, apart = (figures(rows, OPTIONS)["auroc"] for rows in (copies, alone))
    assert together["value"] == pytest.approx(apart["value"])
    assert together["high"] - together["low"] > 3 * (apart["high"] - apart["low"])
    assert together["n"] == 600


def test_few_sources_are_drawn_one_by_one() -> None:
    rows = [row("hallucinated" if i % 3 else "faithful", (i * 7 % 40) / 40, group="only") for i in range(40)]
    found = figures(rows, OPTIONS)["auroc"]
    assert found["low"] < found["value"] < found["high"]


def test_curves() -> None:
    rows = random_rows(300, 2)
    curve = roc(rows)
    assert curve[0] == {"fpr": 0.0, "tpr": 0.0} and curve[-1] == {"fpr": 1.0, "tpr": 1.0}
    assert len(curve) <= 101
    xs, ys = [p["fpr"] for p in curve], [p["tpr"] for p in curve]
    assert xs == sorted(xs) and ys == sorted(ys)
    assert float(np.trapezoid(ys, xs)) == pytest.approx(pair_count(rows))  # few distinct scores: no point is left out
    bins = reliability([r["score"] for r in rows], [float(r["label"] == "faithful") for r in rows])
    assert sum(b["n"] for b in bins) == 300
    whole = sum(b["n"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / 300
    assert whole == pytest.approx(figures(rows, OPTIONS)["ece"]["value"])
    assert all(b["low"] <= b["confidence"] <= b["high"] + 1e-9 for b in bins)
    assert roc([row("faithful", 0.3)]) == [] == roc([])


def test_an_undefined_draw_is_left_out() -> None:
    found = clustered(lambda _, weights: math.nan if weights[0] else 1.0, None, [str(i) for i in range(12)], OPTIONS)
    assert found["value"] is None


def test_two_runs_over_the_same_examples() -> None:
    """The difference of two noisy detectors is surer than each of them: what is hard for both cancels out."""
    draw = np.random.default_rng(4)
    bad = draw.random(200) < 0.5
    shared = np.where(bad, 0.35, 0.65) + draw.normal(0, 0.2, 200)
    noise = draw.normal(0, 0.02, 200)
    runs = []
    for shift in (noise, np.where(bad, -0.05, 0.05)):
        scores = np.clip(shared + shift, 0, 1)
        pairs = enumerate(zip(bad, scores, strict=True))
        runs.append([row("hallucinated" if b else "faithful", float(s), id=i, group=str(i)) for i, (b, s) in pairs])
    found = differences(runs[0], runs[1][::-1], OPTIONS)
    alone = [figures(rows, OPTIONS) for rows in runs]
    for name in ("auroc", "balanced_accuracy", "f1", "ece"):
        assert found[name]["a"] == pytest.approx(alone[0][name]["value"])
        assert found[name]["difference"] == pytest.approx(alone[1][name]["value"] - alone[0][name]["value"])
    assert found["auroc"]["low"] > 0
    assert found["auroc"]["high"] - found["auroc"]["low"] < alone[0]["auroc"]["high"] - alone[0]["auroc"]["low"]
    same = differences(runs[0], runs[0], OPTIONS)["auroc"]
    assert same["difference"] == same["low"] == same["high"] == 0.0
    failed = [r | {"error": "x", "score": None} for r in runs[1]]
    assert differences(runs[0], failed, OPTIONS)["auroc"]["n"] == 0
