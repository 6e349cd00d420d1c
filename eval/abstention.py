"""Does the confidence of answers say which of them to trust? Risk against coverage, calibration, with intervals.

Correctness of an example, in [0, 1]: of a given answer to an answerable question its numeric accuracy where that
applies, else its token F1; of an answer to an unanswerable question 0. Rows are those of `per_example.jsonl`.

Risk-coverage curve (El-Yaniv and Wiener, JMLR 2010): answer only the examples with the highest confidence; coverage is
their share of all, risk one minus their mean correctness. Examples of equal confidence are taken together. What was
not answered (abstentions, failures) comes last with correctness 0, as in every other figure where no answer counts 0:
so abstaining more cannot lower the area, and a share of unanswerable questions keeps it above 0 for anybody.
AURC (Geifman and El-Yaniv, NeurIPS 2017): the mean over examples of the risk at the coverage that takes them in.

Calibration is that of given answers: ten bins of equal width over the confidence, (a, b], 0 in the first; ECE (Guo et
al., ICML 2017, eq. 3) is the mean distance of correctness and confidence of a bin, weighed by its answers; the Brier
score (1950) the mean squared distance. With fractional correctness (token F1) a perfect confidence is the expected F1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import RESAMPLES, statistic

BINS = 10
POINTS = 101
RISK_AT = 0.8
_STEP = 1e-9  # so that 0.3 / 0.1 does not fall out of its bin

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Row = Mapping[str, Any]


def was_given(row: Row) -> bool:
    """Tell whether an example got an answer: no abstention, no failure, not empty."""
    return not row.get("abstained") and not row.get("error") and bool(str(row.get("prediction") or "").strip())


def correctness(row: Row) -> float:
    """Return how right the answer of an example is, in [0, 1]; 0 without an answer (see the top of this file)."""
    if not was_given(row) or not row["answerable"]:
        return 0.0
    scores = row["scores"]
    numeric = scores.get("numeric_accuracy")
    return float(scores["token_f1"] if numeric is None else numeric)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Examples by falling confidence: `losses` and `rows` in that order; `ends` are the last places of ties."""

    losses: Floats
    rows: Rows
    ends: Rows

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self | None:
        """Rank examples; None where no given answer has a confidence."""
        keys = []
        for number, row in enumerate(rows):
            sure, answered = row.get("confidence"), was_given(row)
            key = (2, 0.0) if not answered else (1, 0.0) if sure is None else (0, -float(sure))
            keys.append((*key, number))
        if not any(key[0] == 0 for key in keys):
            return None
        keys.sort()
        order = np.array([key[2] for key in keys], dtype=np.intp)
        ends = [i for i, key in enumerate(keys) if key[0] == 2 or i + 1 == len(keys) or keys[i + 1][:2] != key[:2]]
        losses = np.array([1 - correctness(rows[number]) for number in order], dtype=np.float64)
        return cls(losses, order, np.array(ends, dtype=np.intp))

    def curve(self, drawn: Rows) -> tuple[Floats, Floats]:
        """Return coverages, rising, and risks of the examples drawn; both of length `ends`."""
        counts = np.bincount(drawn, minlength=self.losses.size)[self.rows]
        taken = np.cumsum(counts)[self.ends].astype(np.float64)
        lost = np.cumsum(counts * self.losses)[self.ends]
        return taken / drawn.size, np.divide(lost, taken, out=np.zeros_like(lost), where=taken > 0)

    def area(self, drawn: Rows) -> float:
        """Return AURC."""
        coverage, risk = self.curve(drawn)
        return float(np.sum(np.diff(coverage, prepend=0.0) * risk))

    def risk_at(self, drawn: Rows) -> float:
        """Return the risk at the smallest coverage that reaches `RISK_AT`."""
        coverage, risk = self.curve(drawn)
        return float(risk[int(np.searchsorted(coverage, RISK_AT - _STEP))])


def risk_coverage(rows: Sequence[Row]) -> list[dict[str, float]]:
    """Return the points {"coverage", "risk"} of the curve, coverage rising, at most `POINTS` of them.

    Empty where no given answer has a confidence.
    """
    ranked = _Ranked.of(rows)
    if ranked is None:
        return []
    coverage, risk = ranked.curve(np.arange(len(rows)))
    chosen = np.arange(coverage.size)
    if coverage.size > POINTS:
        chosen = np.unique(np.searchsorted(coverage, np.linspace(coverage[0], 1, POINTS) - _STEP))
    return [{"coverage": float(coverage[i]), "risk": float(risk[i])} for i in chosen]


def aurc(rows: Sequence[Row], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the area under the risk-coverage curve, {"value", "low", "high", "n"}; lower is better."""
    ranked = _Ranked.of(rows)
    return statistic(ranked.area if ranked else _unknown, len(rows), seed=seed, resamples=resamples)


def risk_at(rows: Sequence[Row], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the risk when the surest 80 % of all examples are answered; lower is better."""
    ranked = _Ranked.of(rows)
    return statistic(ranked.risk_at if ranked else _unknown, len(rows), seed=seed, resamples=resamples)


def reliability(confidences: Sequence[float], outcomes: Sequence[float]) -> list[dict[str, float]]:
    """Return the bins that hold anything: {"low", "high", "confidence", "accuracy", "n"}, means of each.

    Args:
        confidences: in [0, 1].
        outcomes: what they promise, each in [0, 1]: was it right?

    Raises:
        ValueError: the columns differ in length, or a confidence lies outside [0, 1].
    """
    sure, right = _columns(confidences, outcomes)
    counts, sums, rights = _bins(sure, right)
    return [
        {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "confidence": float(sums[i] / counts[i]),
            "accuracy": float(rights[i] / counts[i]),
            "n": int(counts[i]),
        }
        for i in np.flatnonzero(counts)
    ]


def calibration_error(
    confidences: Sequence[float], outcomes: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return ECE, {"value", "low", "high", "n"}; lower is better. Arguments and errors as `reliability`.

    Its bootstrap interval leans upwards: drawing again adds noise to every bin, which can only widen the distances.
    """
    sure, right = _columns(confidences, outcomes)
    return statistic(lambda drawn: _ece(sure[drawn], right[drawn]), sure.size, seed=seed, resamples=resamples)


def brier(
    confidences: Sequence[float], outcomes: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return the Brier score, {"value", "low", "high", "n"}; lower is better. Arguments and errors as `reliability`."""
    sure, right = _columns(confidences, outcomes)
    squares = (sure - right) ** 2
    return statistic(lambda drawn: float(squares[drawn].mean()), sure.size, seed=seed, resamples=resamples)


def promised(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """Return the confidences of given answers and their correctness; answers without a confidence are left out."""
    given = [row for row in rows if was_given(row) and row.get("confidence") is not None]
    return [float(row["confidence"]) for row in given], [correctness(row) for row in given]


def set_metrics(rows: Sequence[Row], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, dict[str, Any]]:
    """Return the figures that belong to the whole set: aurc, risk@0.8, ece and brier, each with interval and n."""
    figures: dict[str, Callable[..., dict[str, Any]]] = {"aurc": aurc, f"risk@{RISK_AT}": risk_at}
    found = {name: figure(rows, seed=seed, resamples=resamples) for name, figure in figures.items()}
    pairs = promised(rows)
    found["ece"] = calibration_error(*pairs, seed=seed, resamples=resamples)
    found["brier"] = brier(*pairs, seed=seed, resamples=resamples)
    return found


def curves_of(rows: Sequence[Row]) -> dict[str, list[dict[str, float]]]:
    """Return {"risk_coverage": points, "reliability": bins} of the rows."""
    return {"risk_coverage": risk_coverage(rows), "reliability": reliability(*promised(rows))}


def _unknown(_: Rows) -> None:
    return None


def _columns(confidences: Sequence[float], outcomes: Sequence[float]) -> tuple[Floats, Floats]:
    if len(confidences) != len(outcomes):
        raise ValueError(f"need columns of one length, got {len(confidences)} confidences, {len(outcomes)} outcomes")
    sure, right = np.array(confidences, dtype=np.float64), np.array(outcomes, dtype=np.float64)
    if sure.size and not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"confidences must lie in [0, 1], got {sure[~((sure >= 0) & (sure <= 1))][0]}")
    return sure, right


def _bins(sure: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how many fall into each bin, and the sums of confidence and outcome there."""
    places = np.clip(np.ceil(sure * BINS - _STEP).astype(np.intp) - 1, 0, BINS - 1)
    counts, sums, rights = (
        np.bincount(places, weights, BINS).astype(np.float64) for weights in (np.ones_like(sure), sure, right)
    )
    return counts, sums, rights


def _ece(sure: Floats, right: Floats) -> float:
    _, sums, rights = _bins(sure, right)
    return float(np.abs(sums - rights).sum() / sure.size)
