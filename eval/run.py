"""Measuring answers: a run is a folder that resumes, loses no finished example and says what it was.

`predictions.jsonl` grows while questions are answered (`eval.resume`); `per_example.jsonl`, `report.html` and
`results.json` are written at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from eval.answers import DEFINITIONS, METRICS, Assistant, prediction_of, scores_of
from eval.bootstrap import estimates
from eval.compare import compare, comparison_table
from eval.dataset import Example, load_answers, passages_of
from eval.report import write_report
from eval.resume import each
from eval.stamp import RunOptions, percentiles, stamp, write_json, write_lines
from rag.errors import UserError

__all__ = ["RunOptions", "choose", "compare", "comparison_table", "evaluate_answers"]


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Named = TypeVar("Named", bound=_HasId)


def evaluate_answers(
    file: Path | str,
    out: Path | str,
    *,
    assistant: Assistant,
    limit: int | None = None,
    options: RunOptions | None = None,
) -> dict[str, Any]:
    """Answer the questions of a file, score the answers, and return what `out/results.json` then holds.

    A record with contexts is answered from them alone, one without from the assistant's own documents. An example
    whose answering fails is recorded with its error and counts as no answer; the run goes on.

    Args:
        file: answers data set, JSON lines.
        out: folder of the run.
        assistant: what is measured.
        limit: at most so many examples, always the same ones, drawn by a hash of their ids.
        options: stamp, seed, progress.

    Raises:
        DocumentError: the file is not an answers data set.
        UserError: `limit` is less than 1.
    """
    options = options or RunOptions()
    file, out = Path(file), Path(out)
    examples = choose(load_answers(file), limit)
    key = {"dataset": hashlib.sha256(file.read_bytes()).hexdigest()[:32], "settings_hash": options.settings_hash}
    work = partial(_answered, assistant=assistant)
    kept = each(out, examples, work, id_of=lambda example: example.id, key=key, options=options, what="answer")
    rows = [_row(example, kept[example.id]) for example in examples]
    results = _summary(rows, options) | {"dataset": {"name": file.name, "hash": key["dataset"], "n": len(rows)}}
    write_lines(out / "per_example.jsonl", rows)
    write_report(out / "report.html", results, rows)
    write_json(out / "results.json", results)
    return results


def choose(examples: Sequence[Named], limit: int | None) -> list[Named]:
    """Return at most `limit` examples in file order: those with the smallest hash of their id."""
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, got {limit}. Leave it out for all examples.")
    if limit is None or limit >= len(examples):
        return list(examples)
    drawn = sorted(examples, key=lambda example: hashlib.sha256(example.id.encode()).digest())[:limit]
    ids = {example.id for example in drawn}
    return [example for example in examples if example.id in ids]


def _answered(example: Example, assistant: Assistant) -> dict[str, Any]:
    passages = None if example.contexts is None else passages_of(example.contexts)
    return prediction_of(assistant.ask(example.question, history=example.history, passages=passages))


def _row(example: Example, kept: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": example.id,
        "question": example.question,
        "references": list(example.references),
        "answerable": example.answerable,
        "language": example.language,
        "domain": example.domain,
        "answer_type": example.answer_type,
        "prediction": "",
        "abstained": False,
        **{name: value for name, value in kept.items() if name != "id"},
        "scores": scores_of(example, kept),
    }


def _summary(rows: Sequence[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    errors = [{"id": row["id"], "error": row["error"]} for row in rows if row["error"]]
    seconds = [row["seconds"] for row in rows if not row["error"]]
    models = sorted({row["model"] for row in rows if row.get("model")})
    return {
        "kind": "answers",
        "metrics": _measured(rows, options),
        "by_language": _groups(rows, "language", options),
        "by_domain": _groups(rows, "domain", options),
        "definitions": DEFINITIONS,
        "per_example": "per_example.jsonl",
        "predictions": "predictions.jsonl",
        "n": len(rows),
        "errors": len(errors),
        "error_examples": errors[:20],
        "timings": {"seconds": percentiles(seconds)},
        "models": models,
        "verifiers": sorted({row["verifier"] for row in rows if row.get("verifier")}),
        **stamp(options),
    }


def _measured(rows: Iterable[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    rows = list(rows)
    table = {name: [row["scores"][name] for row in rows] for name in METRICS}
    return estimates(table, seed=options.seed, resamples=options.resamples)


def _groups(rows: Sequence[Mapping[str, Any]], field: str, options: RunOptions) -> dict[str, Any]:
    names = sorted({str(row[field]) for row in rows})
    return {name: _measured((row for row in rows if str(row[field]) == name), options) for name in names}
