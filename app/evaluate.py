"""`consilium eval`: measure retrieval, answers and verifiers; compare runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from app.options import Collection, Json, Llm, Mode, Out, show

evaluate = typer.Typer(no_args_is_help=True, help="Measure retrieval, answers and verifiers; compare runs.")


@evaluate.command("retrieval")
def eval_retrieval(
    dataset: Annotated[Path, typer.Option("--dataset", help="Folder in BEIR layout.")],
    out: Out,
    split: Annotated[str, typer.Option("--split")] = "test",
    mode: Mode = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval against judgements."""
    from app.measure import run_retrieval

    found = run_retrieval(dataset, split, out, mode=mode)
    show(found, as_json, metric_words(found, out))


@evaluate.command("answers")
def eval_answers(
    dataset: Annotated[Path, typer.Option("--dataset", help="JSONL of questions and references.")],
    out: Out,
    collection: Collection = None,
    llm: Llm = None,
    limit: Annotated[Optional[int], typer.Option("--limit", min=1, help="Only the first N questions.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Measure answers against references; an interrupted run goes on where it stopped."""
    from app.measure import run_answers

    found = run_answers(dataset, out, collection, llm=llm, limit=limit)
    show(found, as_json, metric_words(found, out))


@evaluate.command("compare")
def eval_compare(run_a: Path, run_b: Path, as_json: Json = False) -> None:
    """Compare two runs question by question."""
    from app.measure import compare_runs

    found, words = compare_runs(run_a, run_b)
    show(found, as_json, words)


def metric_words(found: dict[str, Any], out: Path) -> str:
    """Return metrics with their intervals, one a line."""
    lines = [
        f"{name:22} {m['value']:.4f}  [{m['low']:.4f}, {m['high']:.4f}]  n={m['n']}"
        for name, m in found["metrics"].items()
        if m["value"] is not None
    ]
    return "\n".join([*lines, f"report: {out / 'report.html'}"])
