"""What a ranking is worth: nDCG, recall, precision, MRR and MAP by ir-measures, graded relevance included."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eval.bootstrap import estimate
from eval.stamp import RunOptions
from rag.errors import UserError, require

METRICS = ("ndcg@10", "recall@100", "mrr@10", "precision@5", "map")
DEPTH = 100
"""Records taken from each ranking: the largest cut, and where `map` ends."""

CURVE = (1, 2, 3, 5, 10, 20, 50, 100)
DEFINITIONS = {
    "ndcg": "gain of a record: its grade, discounted by log2(rank + 1), over that of the ideal ranking (trec_eval)",
    "recall": "share of the relevant records (grade 1 and up) that are found",
    "precision": "share of the first k ranks that hold a relevant record, k also where fewer are found",
    "mrr": "1 / rank of the first relevant record, 0 past the cut",
    "map": f"mean of the precision at each relevant record, over all relevant ones; cut at {DEPTH}",
}

_NAME = re.compile(r"(ndcg|recall|precision|mrr)@([1-9]\d{0,2})")
_MEASURES = {"ndcg": "nDCG", "recall": "R", "precision": "P", "mrr": "RR"}

Qrels = Mapping[str, Mapping[str, int]]
Rankings = Mapping[str, Sequence[str]]


def check_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names once each, in order.

    Raises:
        UserError: there is none, or one is not a metric of rankings.
    """
    if not names:
        raise UserError(f"Name at least one metric, such as {METRICS[0]!r}.")
    for name in names:
        match = _NAME.fullmatch(name)
        if name != "map" and (match is None or int(match[2]) > DEPTH):
            allowed = "ndcg@K, recall@K, precision@K, mrr@K (K from 1 to 100) and map"
            raise UserError(f"{name!r} is no metric of rankings. There are {allowed}, such as 'ndcg@10'.")
    return tuple(dict.fromkeys(names))


def definitions(names: Sequence[str]) -> dict[str, str]:
    """Return what each metric means."""
    return {name: DEFINITIONS[name.partition("@")[0]] for name in names}


def scores_of(qrels: Qrels, rankings: Rankings, metrics: Sequence[str] = METRICS) -> dict[str, dict[str, float]]:
    """Return {query: {metric: value}} by ir-measures.

    nDCG takes the grade itself as gain, as trec_eval does (a negative one counts 0); elsewhere every grade from 1 up is
    relevant. A judged query without a ranking scores 0. Order alone counts: scores of the index are not compared.

    Raises:
        UserError: an unknown metric.
    """
    require("ir_measures", extra="eval")
    import ir_measures

    measures = {ir_measures.parse_measure(_measure(name)): name for name in check_metrics(metrics)}
    run = {query: {record: -float(at) for at, record in enumerate(found)} for query, found in rankings.items() if found}
    scores = {query: dict.fromkeys(measures.values(), 0.0) for query in qrels}
    plain = {query: dict(grades) for query, grades in qrels.items()}
    for found in ir_measures.iter_calc(list(measures), plain, run):
        if found.query_id in scores:
            scores[found.query_id][measures[found.measure]] = float(found.value)
    return scores


def recall_curve(qrels: Qrels, rankings: Rankings, options: RunOptions) -> list[dict[str, Any]]:
    """Return [{"k", "value", "low", "high"}]: mean recall by how many records are read."""
    scores = scores_of(qrels, rankings, [f"recall@{k}" for k in CURVE])
    curve = []
    for k in CURVE:
        column = [scores[query][f"recall@{k}"] for query in qrels]
        found = estimate(column, seed=options.seed, resamples=options.resamples)
        curve.append({"k": k, **{name: found[name] for name in ("value", "low", "high")}})
    return curve


def _measure(name: str) -> str:
    """The name ir-measures gives it."""
    kind, _, cut = name.partition("@")
    return "AP" if kind == "map" else f"{_MEASURES[kind]}@{cut}"
