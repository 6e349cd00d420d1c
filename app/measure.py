"""The commands that measure: settings in, `results.json` out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.commands import ProgressBar, settings_of


def run_retrieval(dataset: Path, split: str, out: Path, *, mode: str | None) -> dict[str, Any]:
    """Measure retrieval on a dataset in BEIR layout."""
    from eval.retrieval import evaluate
    from eval.stamp import RunOptions
    from rag.assemble import embedder_of

    settings = settings_of(retrieve={"mode": mode} if mode else None)
    embedder, search = embedder_of(settings), settings.retrieve
    with ProgressBar() as progress:
        options = RunOptions(settings_hash=settings.hash(), progress=progress, cache=settings.cache)
        return evaluate(
            dataset, split, out, embedder=embedder, mode=search.mode, fetch_k=search.fetch_k, options=options
        )


def run_answers(
    dataset: Path, out: Path, collection: str | None, *, llm: str | None, limit: int | None
) -> dict[str, Any]:
    """Measure answers: records with contexts from them alone, the others from the collection."""
    from eval.dataset import load_answers
    from eval.run import evaluate_answers
    from eval.stamp import RunOptions
    from rag.assemble import assemble

    settings = settings_of(llm=llm)
    alone = collection is None and all(example.contexts is not None for example in load_answers(dataset))
    with assemble(settings, collection=collection, without_collection=alone) as assistant, ProgressBar() as progress:
        options = RunOptions(settings_hash=settings.hash(), progress=progress)
        return evaluate_answers(dataset, out, assistant=assistant, limit=limit, options=options)


def compare_runs(run_a: Path, run_b: Path) -> tuple[dict[str, Any], str]:
    """Compare two runs question by question; return the comparison and its table."""
    from eval.compare import compare, comparison_table

    found = compare(run_a, run_b)
    return found, comparison_table(found)
