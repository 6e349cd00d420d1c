"""nDCG@10, recall@100 and MRR@10 of each leg and of both together, on BEIR folders, with bootstrap intervals.

python -m benchmarks.retrieval [--sets scifact,bioasq] [--split dev] [--data FOLDER] [--out FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import data_folder, table, write
from eval.retrieval import SearchOptions, evaluate
from eval.stamp import RunOptions
from rag.assemble import embedder_of
from rag.settings import load_settings

SETS = ("scifact", "bioasq", "fintextqa", "xquad_zh_zh", "zh_kuake")
SHOWN = ("ndcg@10", "recall@100", "mrr@10")
MODES = ("hybrid", "lexical", "dense")


def measure(folders: list[Path], split: str) -> dict[str, Any]:
    """Return {set: {mode: {metric: {value, low, high, n}}}}."""
    settings = load_settings()
    embedder = embedder_of(settings)
    search = SearchOptions(fetch_k=settings.retrieve.fetch_k, dense_weight=settings.retrieve.dense_weight)
    options = RunOptions(cache=settings.cache, other_modes=MODES, settings_hash=settings.hash())
    found = {}
    for folder in folders:
        with TemporaryDirectory(prefix="consilium-bench-") as out:
            results = evaluate(folder, split, out, embedder=embedder, search=search, options=options)
            found[folder.name] = results["modes"]
    return found


def lines(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of the table; the last column is the gain of hybrid nDCG@10 over the better single leg."""
    rows = []
    for name, modes in found.items():
        best = max(modes["lexical"]["ndcg@10"]["value"], modes["dense"]["ndcg@10"]["value"])
        for mode, metrics in modes.items():
            cells = (f"{metrics[m]['value']:.3f} [{metrics[m]['low']:.3f}, {metrics[m]['high']:.3f}]" for m in SHOWN)
            gain = metrics["ndcg@10"]["value"] / best - 1 if mode == "hybrid" and best else None
            rows.append((name, mode, *cells, "" if gain is None else f"{gain:+.1%}"))
    return rows


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS), help="names under retrieval/, comma between")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for retrieval.json")
    given = parser.parse_args()
    root = data_folder(given.data) / "retrieval"
    found = measure([root / name for name in given.sets.split(",")], given.split)
    shown = table(("set", "legs", *SHOWN, "gain over the better leg"), lines(found))
    write(given.out, "retrieval", {"split": given.split, "sets": found}, shown)


if __name__ == "__main__":
    main()
