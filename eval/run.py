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

from eval.abstention import curves_of, set_metrics
from eval.answers import DEFINITIONS, METRICS, Assistant, judge_of, prediction_of, scores_of
from eval.bootstrap import estimates
from eval.citation import Judge
from eval.compare import compare, comparison_table
from eval.dataset import Example, drafted, passages_of, read_answers
from eval.leakage import guard, guard_notes, questions_of
from eval.report import write_report
from eval.resume import each, failed
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
    verifier: Judge | None = None,
    format: str | None = None,  # noqa: A002
    limit: int | None = None,
    options: RunOptions | None = None,
) -> dict[str, Any]:
    """Answer the questions of a file, score the answers, and return what `out/results.json` then holds.

    A record with contexts is answered from them alone, one without from the assistant's own documents. An example
    whose answering fails is recorded with its error and counts as no answer; the run goes on. Where all fail there are
    no figures.

    Args:
        file: answers data set, JSON lines.
        out: folder of the run.
        assistant: what is measured.
        verifier: judges the citations; None: the assistant's own.
        format: of the file (`eval.dataset.FORMATS`); None tells it from the first record.
        limit: at most so many examples, always the same ones, drawn by a hash of their ids.
        options: stamp, seed, progress.

    Raises:
        DocumentError: the file is not an answers data set.
        UserError: `limit` is less than 1; or a model in use was trained on a question (`eval.leakage`).
    """
    options = options or RunOptions()
    file, out = Path(file), Path(out)
    given = read_answers(file, format)
    examples = choose(given.examples, limit)
    memory = guard(questions_of(examples), options, file=file)
    dataset = {"name": file.name, "hash": hashlib.sha256(file.read_bytes()).hexdigest()[:32], "format": given.format}
    key = {"dataset": dataset["hash"], "format": given.format, "settings_hash": options.settings_hash}
    judge = judge_of(assistant, verifier)
    work = partial(_answered, assistant=assistant, judge=judge)
    key["judge"] = str(getattr(judge, "name", type(judge).__name__))
    kept = each(out, examples, work, id_of=lambda example: example.id, key=key, options=options, what="answer")
    known = set(memory.get("seen_examples", ()))
    rows = [_row(example, kept[example.id]) | {"seen_in_training": example.id in known} for example in examples]
    if all(row["error"] for row in rows):  # nothing was measured: no figure, rather than zeros
        rows = [row | {"scores": dict.fromkeys(row["scores"])} for row in rows]
    results = _summary(rows, options) | {"memorisation": memory}
    results["dataset"] = dataset | {"n": len(rows), "drafted": drafted(examples)}
    results["notes"] += [*_drafted_notes(results["dataset"]), *guard_notes(memory)]
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


def _answered(example: Example, assistant: Assistant, judge: Judge | None) -> dict[str, Any]:
    passages = None if example.contexts is None else passages_of(example.contexts)
    return prediction_of(assistant.ask(example.question, history=example.history, passages=passages), judge)


def _drafted_notes(dataset: Mapping[str, Any]) -> list[str]:
    number = dataset["drafted"]
    return [f"{number} of {dataset['n']} questions are drafted and no person has reviewed them."] if number else []


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
        "seconds": kept.get("timings", {}).get("total", kept["seconds"]),  # without the judging of citations
        "scores": scores_of(example, kept),
    }


def _summary(rows: Sequence[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    answered = [row for row in rows if not row["error"]]
    models = sorted({row["model"] for row in answered if row.get("model")})
    stages = list(dict.fromkeys(name for row in answered for name in row.get("timings", {}) if name != "total"))
    return {
        "kind": "answers",
        "metrics": _measured(rows, options),
        "by_language": _groups(rows, "language", options),
        "by_domain": _groups(rows, "domain", options),
        **({"by_seen": _groups(rows, "seen_in_training", options)} if any(r["seen_in_training"] for r in rows) else {}),
        "definitions": DEFINITIONS,
        "per_example": "per_example.jsonl",
        "predictions": "predictions.jsonl",
        "n": len(rows),
        **failed(rows, "They count as no answer."),
        "curves": curves_of(rows) if answered else {},
        "timings": {
            "seconds": percentiles([row["seconds"] for row in answered]),
            **{name: percentiles([row["timings"].get(name, 0.0) for row in answered]) for name in stages},
        },
        "tokens": {
            name: percentiles([row["tokens"][name] for row in answered if "tokens" in row])
            for name in ("answer", "passages")
        },
        "models": models,
        "verifiers": sorted({row["verifier"] for row in answered if row.get("verifier")}),
        "judges": sorted({row["judge"] for row in answered if row.get("judge")}),
        **stamp(options),
    }


def _measured(rows: Iterable[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    rows = list(rows)
    table = {name: [row["scores"][name] for row in rows] for name in METRICS}
    drawn = {"seed": options.seed, "resamples": options.resamples}
    return estimates(table, **drawn) | set_metrics(rows, **drawn)


def _groups(rows: Sequence[Mapping[str, Any]], field: str, options: RunOptions) -> dict[str, Any]:
    names = sorted({str(row[field]) for row in rows})
    return {name: _measured((row for row in rows if str(row[field]) == name), options) for name in names}
