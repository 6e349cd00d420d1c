"""Figures of a detector over a whole labelled set: how well it tells hallucinated responses from faithful ones.

"hallucinated" is the positive class throughout. Intervals come from the bootstrap over sources: responses to one source
(the same document, the same question) are drawn together. A failed example is left out; `n` says how many remain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.abstention import BINS
from eval.bootstrap import statistic
from eval.stamp import RunOptions

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEW = 10
"""Below so many sources the responses are drawn one by one: an interval from a handful of sources says nothing."""

SPLITS = 5
VERDICTS = ("supported", "contradicted", "not_enough_info")

DEFINITIONS = {
    "balanced_accuracy": "mean of the shares of hallucinated and of faithful responses told right, at the verifier's "
    "own threshold: hallucinated where a sentence is not supported or the score is below 0.5",
    "balanced_accuracy_fitted": "the same with the threshold on the score fitted on one half and scored on the other, "
    f"both ways; halves by a hash of the source, mean of {SPLITS} ways to halve",
    "auroc": "chance that a faithful response scores higher than a hallucinated one, ties count half",
    "f1": "of the class hallucinated, at the verifier's own threshold",
    "precision": "share of responses called hallucinated that are",
    "recall": "share of hallucinated responses that are called so",
    "specificity": "share of faithful responses that are called so",
    "accuracy": "share of responses told right",
    "span_f1": "F1 over characters of unsupported sentences against the spans people marked, counted over the whole "
    "set; responses whose spans are unknown are left out",
    "span_f1_mean": "the same a response, averaged; 1 where nothing is marked on either side",
    "ece": f"expected calibration error of the score as the chance of being faithful, {BINS} equal bins",
    "verdict_accuracy": "share of claims whose label of three is right",
    "verdict_macro_f1": "mean F1 over the labels that occur among the gold ones",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """A labelled set as arrays of length n.

    `halves` has shape (SPLITS, n): each row parts the sources in two, for the fitted threshold.
    `spans` has shape (n, 3): characters told right, told and marked; NaN where the marks are unknown. `gold` and `said`
    index `VERDICTS`, -1 where a set does not label three ways. `order` sorts by score, lowest first, and `last` flags
    the last place of each run of equal scores.
    """

    hallucinated: Flags
    called: Flags
    score: Floats
    halves: Flags
    spans: Floats
    gold: NDArray[np.intp]
    said: NDArray[np.intp]
    order: NDArray[np.intp]
    last: Flags


Measure = Callable[[Columns, Floats], float | None]


def columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns of per-example rows, none of them failed; at least one."""
    score = np.array([row["score"] for row in rows], dtype=np.float64)
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    three = all(row["gold"] in VERDICTS for row in rows)
    none = (np.nan, np.nan, np.nan)
    return Columns(
        hallucinated=np.array([row["label"] == "hallucinated" for row in rows]),
        called=np.array([row["predicted"] == "hallucinated" for row in rows]),
        score=score,
        halves=np.array([_bits(str(row["group"])) for row in rows]).T,
        spans=np.array([row["span_counts"] or none for row in rows], dtype=np.float64),
        gold=np.array([VERDICTS.index(row["gold"]) if three else -1 for row in rows], dtype=np.intp),
        said=np.array([VERDICTS.index(row["verdict"]) if three else -1 for row in rows], dtype=np.intp),
        order=order,
        last=np.append(ranked[1:] != ranked[:-1], True),
    )


def figures(rows: Sequence[Mapping[str, Any]], options: RunOptions) -> dict[str, dict[str, Any]]:
    """Return {metric: {"value", "low", "high", "n"}}; a value is None where a set has no such label or one class only.

    Args:
        rows: with "label", "predicted", "score", "group", "gold", "verdict", "span_counts", "error".
        options: seed and number of resamples.
    """
    rows = [row for row in rows if not row["error"]]
    if not rows:
        return {name: {"value": None, "low": None, "high": None, "n": 0} for name in DEFINITIONS}
    data = columns(rows)
    marked = int(np.isfinite(data.spans[:, 0]).sum())
    found = {}
    for name, measure in MEASURES.items():
        one = clustered(measure, data, [str(row["group"]) for row in rows], options)
        of = marked if name.startswith("span") else len(rows)
        found[name] = one | {"n": 0 if one["value"] is None else of}
    return found


def clustered(
    measure: Callable[[Any, Floats], float | None], data: Any, groups: Sequence[str], options: RunOptions
) -> dict[str, Any]:
    """Return `statistic` of a measure that takes a weight an example: how often the example was drawn.

    Sources are drawn, not examples, unless there are fewer than `FEW` of them.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < FEW:
        place = np.arange(len(groups))
    count = int(place.max()) + 1

    def drawn(rows: NDArray[np.intp]) -> float | None:
        return measure(data, np.bincount(rows, minlength=count)[place].astype(np.float64))

    return statistic(drawn, count, seed=options.seed, resamples=options.resamples) | {"n": len(groups)}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def recall(data: Columns, weights: Floats) -> float | None:
    """Return the share of hallucinated responses called so."""
    return _share(weights[data.hallucinated & data.called].sum(), weights[data.hallucinated].sum())


def specificity(data: Columns, weights: Floats) -> float | None:
    """Return the share of faithful responses called so."""
    return _share(weights[~data.hallucinated & ~data.called].sum(), weights[~data.hallucinated].sum())


def precision(data: Columns, weights: Floats) -> float | None:
    """Return the share of responses called hallucinated that are."""
    return _share(weights[data.hallucinated & data.called].sum(), weights[data.called].sum())


def accuracy(data: Columns, weights: Floats) -> float | None:
    """Return the share of responses told right."""
    return _share(weights[data.hallucinated == data.called].sum(), weights.sum())


def f1(data: Columns, weights: Floats) -> float | None:
    """Return 2 tp / (called + hallucinated); None without a hallucinated response."""
    hit, positive = weights[data.hallucinated & data.called].sum(), weights[data.hallucinated].sum()
    return _share(2 * hit, weights[data.called].sum() + positive) if positive else None


def balanced_accuracy(data: Columns, weights: Floats) -> float | None:
    """Return the mean of recall and specificity; None where one class is absent."""
    found = recall(data, weights), specificity(data, weights)
    return None if found[0] is None or found[1] is None else (found[0] + found[1]) / 2


def auroc(data: Columns, weights: Floats) -> float | None:
    """Return the area under the ROC curve (Mann-Whitney U over weighted examples, ties half)."""
    bad, good = _cumulative(data, weights)
    if not bad[-1] or not good[-1]:
        return None
    steps = np.diff(bad, prepend=0.0)  # hallucinated ones at each score, against the faithful ones above it
    return float((steps * (good[-1] - good + np.diff(good, prepend=0.0) / 2)).sum() / (bad[-1] * good[-1]))


def balanced_accuracy_fitted(data: Columns, weights: Floats) -> float | None:
    """Return the balanced accuracy of thresholds fitted on the other half, mean over the ways to halve.

    A way that leaves a half without one of the classes is passed over; None where all do.
    """
    found = [value for half in data.halves if (value := _fitted(data, weights, half)) is not None]
    return sum(found) / len(found) if found else None


def _fitted(data: Columns, weights: Floats, half: Flags) -> float | None:
    """Fit on each half and score on the other; the counts of both are added."""
    told = np.zeros(2)
    for there in (weights * half, weights * ~half):
        bad, good = _cumulative(data, there)
        if not bad[-1] or not good[-1]:
            return None
        below = data.score < fitted_threshold(data, bad, good)
        here = weights - there
        told += here[data.hallucinated & below].sum(), here[~data.hallucinated & ~below].sum()
    return float(told[0] / weights[data.hallucinated].sum() + told[1] / weights[~data.hallucinated].sum()) / 2


def fitted_threshold(data: Columns, bad: Floats, good: Floats) -> float:
    """Return the score below which a response is best called hallucinated, midway between two scores.

    `bad` and `good`: cumulated weights of hallucinated and faithful responses up to each distinct score.
    """
    held = np.diff(bad + good, prepend=0.0) > 0
    scores = data.score[data.order][data.last][held]
    gains = np.concatenate([[0.0], (bad / bad[-1] - good / good[-1])[held]])
    best = int(gains.argmax())
    if best == 0:
        return float("-inf")
    return float("inf") if best == len(scores) else float(scores[best - 1] + scores[best]) / 2


def span_f1(data: Columns, weights: Floats) -> float | None:
    """Return the F1 of characters, summed over the set; None where no character is marked."""
    known = np.isfinite(data.spans[:, 0])
    hit, told, marked = weights[known] @ data.spans[known]
    return float(2 * hit / (told + marked)) if marked else None


def span_f1_mean(data: Columns, weights: Floats) -> float | None:
    """Return the mean of the F1 of each response; None where no character is marked."""
    known = np.isfinite(data.spans[:, 0])
    spans, held = data.spans[known], weights[known]
    if not held @ spans[:, 2]:
        return None
    total = spans[:, 1] + spans[:, 2]
    each = np.divide(2 * spans[:, 0], total, out=np.ones_like(total), where=total > 0)
    return float(held @ each / held.sum())


def ece(data: Columns, weights: Floats) -> float | None:
    """Return the expected calibration error (Naeini et al., 2015) of the score as the chance of being faithful."""
    bins = np.clip(np.ceil(data.score * BINS - 1e-9).astype(np.intp) - 1, 0, BINS - 1)  # (a, b], as the diagram's
    gap = np.bincount(bins, weights * (data.score - ~data.hallucinated), minlength=BINS)
    return float(np.abs(gap).sum() / weights.sum())


def verdict_accuracy(data: Columns, weights: Floats) -> float | None:
    """Return the share of claims whose label of three is right; None where a set has other labels."""
    return None if data.gold[0] < 0 else _share(weights[data.gold == data.said].sum(), weights.sum())


def verdict_macro_f1(data: Columns, weights: Floats) -> float | None:
    """Return the mean F1 over the gold labels that occur; None where a set has other labels."""
    if data.gold[0] < 0:
        return None
    gold = np.bincount(data.gold, weights, minlength=len(VERDICTS))
    said = np.bincount(data.said, weights, minlength=len(VERDICTS))
    right = data.gold == data.said
    hit = np.bincount(data.gold[right], weights[right], minlength=len(VERDICTS))
    return float(np.mean([2 * hit[i] / (gold[i] + said[i]) for i in range(len(VERDICTS)) if gold[i]]))


def roc(rows: Sequence[Mapping[str, Any]], *, points: int = 101) -> list[dict[str, float]]:
    """Return the ROC curve, from (0, 0) to (1, 1), at most `points` of it; none where one class is absent."""
    rows = [row for row in rows if not row["error"]]
    if not rows:
        return []
    bad, good = _cumulative(columns(rows), np.ones(len(rows)))
    if not bad[-1] or not good[-1]:
        return []
    tpr, fpr = np.append(0.0, bad / bad[-1]), np.append(0.0, good / good[-1])
    kept = np.unique(np.linspace(0, len(tpr) - 1, points).round().astype(np.intp))
    return [{"fpr": float(fpr[i]), "tpr": float(tpr[i])} for i in kept]


def _bits(group: str) -> list[bool]:
    byte = hashlib.sha256(group.encode()).digest()[0]
    return [bool(byte >> at & 1) for at in range(SPLITS)]


def _cumulative(data: Columns, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weights of hallucinated and of faithful responses up to each distinct score, lowest first."""
    ranked = weights[data.order]
    bad = np.where(data.hallucinated[data.order], ranked, 0.0)
    return bad.cumsum()[data.last], (ranked - bad).cumsum()[data.last]


MEASURES: Mapping[str, Measure] = {
    "balanced_accuracy": balanced_accuracy,
    "balanced_accuracy_fitted": balanced_accuracy_fitted,
    "auroc": auroc,
    "f1": f1,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "accuracy": accuracy,
    "span_f1": span_f1,
    "span_f1_mean": span_f1_mean,
    "ece": ece,
    "verdict_accuracy": verdict_accuracy,
    "verdict_macro_f1": verdict_macro_f1,
}
