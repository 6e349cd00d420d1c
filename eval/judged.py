"""Which answer metric agrees with people? Metrics of free answers against human preferences and human grades.

Two kinds of set: pairs of answers to one question that judges compared (RAGChecker's meta-evaluation), and answers
graded correct, incorrect or refusal (FinanceBench's model answers). Every metric compares an answer with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.detection import Floats, clustered, columns, f1, precision, recall
from eval.detection import auroc as area
from eval.factuality import Checker, check
from eval.lines import Faults, Ids, Row, objects, shown
from eval.numeric import numeric_accuracy
from eval.overlap import score
from eval.stamp import RunOptions
from rag.errors import DocumentError
from rag.prompt import abstains
from rag.schema import Embedder

TARGETS = ("overall", "correctness", "completeness")
GRADES = ("correct", "incorrect", "refusal")
DEFINITIONS = {
    "pearson": "of the difference of a metric between two answers with the mean preference of the judges",
    "spearman": "the same by ranks",
    "pearson_each": "every judgement a point of its own, as RAGChecker counts: lower, since judges differ",
    "spearman_each": "the same by ranks",
}

Metrics = dict[str, float | None]
Values = Mapping[str, Sequence[Mapping[str, float | None]]]
"""Of each item by id, the metrics of its answers; one that failed has none."""

Correlation = Callable[[Floats, Floats, Floats], float | None]
"""From points x and y and their weights to a correlation, None where one side does not vary."""

Scorer = Callable[[str, str, str], Mapping[str, float | None]]
"""From question, reference and response to the metrics of the response."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one question, "" for none. `judged[target]`: a number a judge, above zero for the second."""

    id: str
    question: str
    reference: str
    responses: tuple[str, ...]
    judged: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer and its grade."""

    id: str
    question: str
    reference: str
    responses: tuple[str, ...]
    grade: str


Judged = Pair | Graded


def load_pairs(file: Path | str) -> list[Pair]:
    """Read pairs: {"id","query","gt_answer","response1","response2","overall","correctness","completeness"} a line.

    The last three are lists, a number a judge, above zero where response2 is better: RAGChecker's own evaluation takes
    them so (data/meta_evaluation/meta_eval.py: score of model2 - score of model1). All have the same judges.

    Raises:
        DocumentError: all faults at once, with file and line.
    """
    return _read(Path(file), _pair)


def load_graded(file: Path | str) -> list[Graded]:
    """Read graded answers: {"id","question","reference","response","label": correct|incorrect|refusal} a line.

    Raises:
        DocumentError: all faults at once, with file and line.
    """
    return _read(Path(file), _graded)


def is_pairs(value: Mapping[str, Any]) -> bool:
    """Tell whether an object has the fields of a pair."""
    return {"gt_answer", "response1", "response2"} <= value.keys()


def is_graded(value: Mapping[str, Any]) -> bool:
    """Tell whether an object has the fields of a graded answer."""
    return {"reference", "response", "label"} <= value.keys()


def overlap_scorer(embedder: Embedder | None = None) -> Scorer:
    """Return the metrics that need no verifier; the cosine of the two texts where there is an embedder.

    The embedder reads the head of a long text only.
    """

    def scorer(question: str, reference: str, response: str) -> Metrics:
        found: dict[str, float | None] = dict(score(response, [reference]))
        found["numeric_accuracy"] = numeric_accuracy(response, [reference], question=question)
        if embedder is not None and not response.strip():
            found["cosine"] = 0.0
        elif embedder is not None:
            made = np.asarray(embedder.embed_documents([reference, response]), dtype=np.float64)
            made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
            found["cosine"] = float(made[0] @ made[1])
        return found

    return scorer


def verifier_scorer(name: str, verifier: Checker) -> Scorer:
    """Return a verifier read both ways, after RAGChecker's claim precision, recall and F1.

    Precision: mean confidence that the reference supports the sentences of the response, longer ones weighing more;
    recall: that the response supports those of the reference; F1: their harmonic mean.
    """

    def mean(text: str, context: str, question: str) -> float:
        claims = check(text, [context], verifier, question).claims
        length = sum(claim.end - claim.start for claim in claims)
        return sum(claim.confidence * (claim.end - claim.start) for claim in claims) / length

    def scorer(question: str, reference: str, response: str) -> Metrics:
        told = held = 0.0
        if response.strip():
            told, held = mean(response, reference, question), mean(reference, response, question)
        both = 2 * told * held / (told + held) if told + held else 0.0
        return {f"{name}_precision": told, f"{name}_recall": held, f"{name}_f1": both}

    return scorer


def correlations(pairs: Sequence[Pair], values: Values, options: RunOptions) -> list[dict[str, Any]]:
    """Return {"target", "metric", "pearson", "spearman", "pearson_each", "spearman_each", "n"} a target and metric.

    The figures of each judgement are numbers without interval. The metric "human" is the agreement of the first two
    judges with each other: the ceiling.

    Args:
        pairs: what was judged.
        values: of each pair by id, the metrics of its two answers.
        options: seed and number of resamples.
    """
    names = list(dict.fromkeys(name for found in values.values() if found for name in found[0]))
    rows = []
    for target in TARGETS:
        known = [pair for pair in pairs if target in pair.judged]
        if not known:
            continue
        judges = np.array([pair.judged[target][:2] for pair in known], dtype=np.float64).T
        if len(judges) == 2:
            rows.append({"target": target, "metric": "human", **_correlated(judges[0], judges[1:], options)})
        for name in names:
            told = [(pair, _difference(values.get(pair.id), name)) for pair in known]
            held = [(pair, gap) for pair, gap in told if gap is not None]
            scores = np.array([gap for _, gap in held], dtype=np.float64)
            labels = np.array([pair.judged[target] for pair, _ in held], dtype=np.float64).T
            rows.append({"target": target, "metric": name, **_correlated(scores, labels, options)})
    return rows


def graded_areas(answers: Sequence[Graded], values: Values, options: RunOptions) -> list[dict[str, Any]]:
    """Return {"metric", "auroc", "n"}: how well each metric tells correct from incorrect answers, refusals aside."""
    names = list(dict.fromkeys(name for found in values.values() if found for name in found[0]))
    rows = []
    for name in names:
        table = []
        for answer in answers:
            found = values.get(answer.id)
            value = found[0].get(name) if found else None
            if value is not None and answer.grade != "refusal":
                table.append(_line(answer.question, answer.grade == "incorrect", value))
        rows.append({"metric": name, "auroc": _figure(area, table, options), "n": len(table)})
    return rows


def refusals(answers: Sequence[Graded], options: RunOptions) -> dict[str, Any]:
    """Return precision, recall and F1 of `rag.prompt.abstains` at answers graded as refusals."""
    table = []
    for answer in answers:
        line = _line(answer.question, answer.grade == "refusal", 0.0)
        table.append(line | {"predicted": "hallucinated" if abstains(answer.responses[0]) else "faithful"})
    measures = {"precision": precision, "recall": recall, "f1": f1}
    return {name: _figure(measure, table, options) for name, measure in measures.items()}


def _line(group: str, positive: bool, value: float) -> dict[str, Any]:
    label = "hallucinated" if positive else "faithful"
    rest = {"gold": "", "verdict": "", "span_counts": None}
    return {"label": label, "predicted": label, "score": value, "group": group, **rest}


def _figure(measure: Any, table: Sequence[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    if not table:
        return {"value": None, "low": None, "high": None, "n": 0}
    return clustered(measure, columns(table), [row["group"] for row in table], options)


def _difference(found: Sequence[Mapping[str, float | None]] | None, name: str) -> float | None:
    if not found:
        return None
    first, second = found[0].get(name), found[1].get(name)
    return None if first is None or second is None else second - first


def _correlated(scores: Floats, labels: Floats, options: RunOptions) -> dict[str, Any]:
    """Scores of shape (n,), labels of shape (judges, n); correlation with the mean of the judges, and with each."""
    measures = {"pearson": pearson, "spearman": spearman}
    none = {"value": None, "low": None, "high": None, "n": 0}
    if not scores.size:
        return {name: none for name in measures} | {f"{name}_each": None for name in measures} | {"n": 0}
    groups, points = [str(at) for at in range(len(scores))], (scores, labels.mean(axis=0))
    tiled = np.tile(scores, len(labels)), labels.ravel()
    found: dict[str, Any] = {}
    for name, measure in measures.items():

        def weighed(data: tuple[Floats, Floats], weights: Floats, of: Correlation = measure) -> float | None:
            return of(*data, weights)

        found[name] = clustered(weighed, points, groups, options)
        found[f"{name}_each"] = measure(*tiled, np.ones(tiled[0].size))
    return {**found, "n": len(scores)}


def pearson(x: Floats, y: Floats, weights: Floats) -> float | None:
    """Return the correlation of weighted points; None where one side does not vary."""
    total = weights.sum()
    dx, dy = x - weights @ x / total, y - weights @ y / total
    spread = (weights @ dx**2) * (weights @ dy**2)
    return float(weights @ (dx * dy) / np.sqrt(spread)) if spread > 1e-18 else None


def spearman(x: Floats, y: Floats, weights: Floats) -> float | None:
    """Return the correlation of ranks, ties sharing their mean rank, a point of weight w standing w times."""
    return pearson(_ranks(x, weights), _ranks(y, weights), weights)


def _ranks(values: Floats, weights: Floats) -> Floats:
    place = np.unique(values, return_inverse=True)[1]
    held = np.bincount(place, weights)
    return (held.cumsum() - held + (held + 1) / 2)[place]


def _read(path: Path, make: Callable[[Row, Ids], Any]) -> list[Any]:
    faults, ids = Faults(), Ids()
    rows = [Row(value, f"{path}:{line}", faults) for line, value in objects(path, faults)]
    found = [make(row, ids) for row in rows]
    _same_judges(found, rows)
    faults.raise_any()
    if not found:
        raise DocumentError(f"{path} holds no record. Give one JSON object a line.")
    return found


def _same_judges(found: Sequence[Any], rows: Sequence[Row]) -> None:
    """Note a pair with another number of judgements than the first one that has any."""
    judges: dict[str, int] = {}
    for pair, row in zip(found, rows, strict=True):
        for target, given in pair.judged.items() if isinstance(pair, Pair) else ():
            if len(given) != judges.setdefault(target, len(given)):
                row.fault(f"field {target!r} holds {len(given)} judgements, in other records {judges[target]}.")


def _pair(row: Row, ids: Ids) -> Pair:
    texts = (row.string("response1"), row.string("response2"))
    judged = {target: _judgements(row, target) for target in TARGETS if target in row.value}
    if not judged:
        row.fault(f"none of {', '.join(TARGETS)} is given. Give a list of numbers, one a judge.")
    return Pair(ids.take(row, "id"), row.filled("query"), row.filled("gt_answer"), texts, judged)


def _judgements(row: Row, target: str) -> tuple[float, ...]:
    got = row.value[target]
    items = got if isinstance(got, list) else [got]
    if items and all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        return tuple(float(item) for item in items)
    row.fault(f"field {target!r} must be a list of numbers, one a judge, got {shown(got)}.")
    return (0.0,)


def _graded(row: Row, ids: Ids) -> Graded:
    grade = row.filled("label")
    if grade.strip() and grade not in GRADES:
        row.fault(f"field 'label' must be one of {', '.join(GRADES)}, got {grade!r}.")
    responses = (row.string("response"),)
    return Graded(ids.take(row, "id"), row.filled("question"), row.filled("reference"), responses, grade)
