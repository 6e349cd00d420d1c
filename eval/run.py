"""Measuring answers: a run is a folder that resumes, loses no finished example and says what it was.

`predictions.jsonl` grows while questions are answered; `per_example.jsonl`, `results.json` and `report.html` are
written at the end. A folder without `results.json` is an interrupted run: the next one under the same data set and
settings goes on where it stopped, examples that failed included.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.answers import DEFINITIONS, METRICS, Assistant, prediction_of, scores_of
from eval.bootstrap import estimates
from eval.compare import compare, comparison_table
from eval.dataset import Example, load_answers, passages_of
from eval.report import write_report
from eval.stamp import RunOptions, percentiles, stamp, write_json, write_lines
from rag.errors import UserError

__all__ = ["RunOptions", "choose", "compare", "comparison_table", "evaluate_answers"]


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
    path = _open_run(out, key)
    kept = _finished(path)
    todo = [example for example in examples if example.id not in kept]
    with path.open("a", encoding="utf-8", errors="replace") as stream:
        for done, example in enumerate(todo, len(examples) - len(todo) + 1):
            kept[example.id] = _answered(example, assistant)
            stream.write(json.dumps(kept[example.id], ensure_ascii=False) + "\n")
            stream.flush()
            options.tell("answer", done, len(examples))
    rows = [_row(example, kept[example.id]) for example in examples]
    results = _summary(rows, options) | {"dataset": {"name": file.name, "hash": key["dataset"], "n": len(rows)}}
    write_lines(out / "per_example.jsonl", rows)
    write_report(out / "report.html", results, rows)
    write_json(out / "results.json", results)
    return results


def choose(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """Return at most `limit` examples in file order: those with the smallest hash of their id."""
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, got {limit}. Leave it out for all examples.")
    if limit is None or limit >= len(examples):
        return list(examples)
    drawn = sorted(examples, key=lambda example: hashlib.sha256(example.id.encode()).digest())[:limit]
    ids = {example.id for example in drawn}
    return [example for example in examples if example.id in ids]


def _open_run(out: Path, key: Mapping[str, str]) -> Path:
    """Return the predictions file to append to; predictions of another or a finished run are moved aside."""
    out.mkdir(parents=True, exist_ok=True)
    path, state = out / "predictions.jsonl", out / "run.json"
    before = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else None
    same = before == dict(key) and bool(key["settings_hash"]) and not (out / "results.json").exists()
    if path.exists() and not same:
        number = 1 + sum(1 for _ in out.glob("predictions.*.jsonl"))
        path.replace(out / f"predictions.{number}.jsonl")
        (out / "results.json").unlink(missing_ok=True)
    write_json(state, key)
    return path


def _finished(path: Path) -> dict[str, dict[str, Any]]:
    """Return the whole lines of a predictions file by id, without failures; a torn last line is cut off the file."""
    if not path.is_file():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    rows = [json.loads(line) for line in whole.decode().split("\n") if line.strip()]
    return {row["id"]: row for row in rows if not row.get("error")}


def _answered(example: Example, assistant: Assistant) -> dict[str, Any]:
    passages = None if example.contexts is None else passages_of(example.contexts)
    start = time.perf_counter()
    try:
        outcome = assistant.ask(example.question, history=example.history, passages=passages)
        kept = prediction_of(outcome) | {"error": None}
    except Exception as error:  # one example of a batch: recorded, and the rest goes on
        kept = {"prediction": "", "abstained": False, "error": f"{type(error).__name__}: {error}"}
    return {"id": example.id, **kept, "seconds": round(time.perf_counter() - start, 6)}


def _row(example: Example, kept: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": example.id,
        "question": example.question,
        "references": list(example.references),
        "answerable": example.answerable,
        "language": example.language,
        "domain": example.domain,
        "answer_type": example.answer_type,
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
