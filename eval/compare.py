"""Two runs over the same examples: is one better, and how sure is that?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.bootstrap import RESAMPLES, difference
from rag.errors import DocumentError, UserError


def compare(run_a: Path | str, run_b: Path | str, *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return {"metrics": {name: {"a","b","difference","low","high","p","n"}}, …} over the examples both runs share.

    A run is its folder or the `results.json` in it. The difference is b - a, its interval and p come from a paired
    bootstrap (`eval.bootstrap.difference`); p values are not corrected for looking at several metrics. `only_a` and
    `only_b` count examples that one run alone has; `same_dataset` tells whether both read the same files.

    Raises:
        DocumentError: a run has no readable results.
        UserError: the runs share no metric or no example.
    """
    results_a, scores_a = _load(Path(run_a))
    results_b, scores_b = _load(Path(run_b))
    shared = sorted(scores_a.keys() & scores_b.keys())
    if not shared:
        raise UserError(f"{run_a} and {run_b} share no example id. Compare runs over the same data set.")
    names = [name for name in results_a["metrics"] if name in results_b["metrics"]]
    if not names:
        raise UserError(f"{run_a} and {run_b} share no metric: one is of kind {results_a.get('kind')!r}.")
    metrics = {}
    for name in names:
        a = [scores_a[key].get(name) for key in shared]
        b = [scores_b[key].get(name) for key in shared]
        metrics[name] = difference(a, b, seed=seed, resamples=resamples)
    hashes = [results.get("dataset", {}).get("hash") for results in (results_a, results_b)]
    return {
        "a": str(run_a),
        "b": str(run_b),
        "metrics": metrics,
        "n": len(shared),
        "only_a": len(scores_a.keys() - scores_b.keys()),
        "only_b": len(scores_b.keys() - scores_a.keys()),
        "same_dataset": hashes[0] == hashes[1] and hashes[0] is not None,
        "seed": seed,
        "resamples": resamples,
    }


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as a Markdown table, four decimals."""
    lines = ["| metric | A | B | B - A | 95 % | p | n |", "|---|---:|---:|---:|---|---:|---:|"]
    for name, row in comparison["metrics"].items():
        if row["difference"] is None:
            lines.append(f"| {name} | – | – | – | – | – | {row['n']} |")
            continue
        span = f"{row['low']:+.4f} to {row['high']:+.4f}"
        lines.append(
            f"| {name} | {row['a']:.4f} | {row['b']:.4f} | {row['difference']:+.4f} | {span} | {row['p']:.4f} "
            f"| {row['n']} |"
        )
    return "\n".join(lines) + "\n"


def _load(run: Path) -> tuple[dict[str, Any], dict[str, dict[str, float | None]]]:
    """Return results and scores by id."""
    path = run if run.is_file() else run / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        text = (path.parent / results["per_example"]).read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        return results, {row["id"]: row["scores"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DocumentError(f"{path} is not the result of a finished run ({why}). Give its folder.") from error
