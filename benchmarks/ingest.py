"""Three 10-K reports, from PDF to an index on disk: Consilium beside LangChain's usual pipeline.

Both sides run as processes of their own, in turn, from cold start to exit, and write a new index each time. Consilium
reads tables, offsets and headings on the way and writes a lexical index too; the peer (`benchmarks.peer`) does not.
The graph of the embedder is exported once per machine: that happens in the warm-up, which is not counted.

    python -m benchmarks.ingest [--parse] [--runs 3] [--data FOLDER] [--out FOLDER] [FILE.pdf...]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, data_folder, middle, python, run, table, write

FILES = ("AMAZON_2017_10K.pdf", "BESTBUY_2023_10K.pdf", "VERIZON_2021_10K.pdf")
"""280 pages of `pdf/financebench`."""


def consilium(home: Path, files: list[Path]) -> Run:
    """Ingest by the command line into a new home."""
    environment = {"CONSILIUM_HOME": str(home)}
    return run(python("app.cli", "ingest", *map(str, files), "-c", "bench", "--json"), environment)


def langchain(index: Path, files: list[Path]) -> Run:
    """Ingest by the peer into a new index."""
    return run(python("benchmarks.peer", "ingest", str(index), *map(str, files)))


def compare(files: list[Path], runs: int) -> dict[str, Any]:
    """Run both sides in turn, `runs` times each, after one uncounted run of each."""
    measured: dict[str, list[Run]] = {"consilium": [], "langchain": []}
    for number in range(runs + 1):
        with tempfile.TemporaryDirectory(prefix="consilium-bench-") as scratch:
            home = Path(scratch) / "home"
            ours = _with_cache(home, files)
            theirs = langchain(Path(scratch) / "faiss", files)
        if number:
            measured["consilium"].append(ours)
            measured["langchain"].append(theirs)
    results = {side: _summary(found) for side, found in measured.items()}
    return {
        "files": [file.name for file in files],
        "runs": runs,
        **results,
        "speedup": round(results["langchain"]["seconds"]["median"] / results["consilium"]["seconds"]["median"], 2),
        "memory_ratio": round(results["consilium"]["peak_mb"]["median"] / results["langchain"]["peak_mb"]["median"], 2),
    }


def _with_cache(home: Path, files: list[Path]) -> Run:
    """Ingest into a new home that shares the machine's cache of exported models."""
    home.mkdir(parents=True)
    cache = Path("~/.consilium/cache").expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    (home / "cache").symlink_to(cache)
    return consilium(home, files)


def parse_rates(files: list[Path], runs: int) -> dict[str, Any]:
    """Return pages a second of reading alone, side by side in this process: ours with tables, and PyPDFLoader."""
    from langchain_community.document_loaders import PyPDFLoader

    from ingest.parsers import parse

    sides = {
        "consilium": lambda file: int(str(parse(file)[0].metadata["pages"])),
        "pypdfloader": lambda file: len(PyPDFLoader(str(file)).load()),
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(runs):
        for side, read in sides.items():
            start = time.perf_counter()
            pages = sum(read(file) for file in files)
            rates[side].append(pages / (time.perf_counter() - start))
    found: dict[str, Any] = {side: middle(values) for side, values in rates.items()}
    return {**found, "times": round(found["consilium"]["median"] / found["pypdfloader"]["median"], 2)}


def _summary(found: list[Run]) -> dict[str, Any]:
    keys = ("seconds", "cpu_seconds", "peak_mb")
    return {
        **{key: middle([one.as_json()[key] for one in found]) for key in keys},
        "said": json.loads(found[-1].stdout),
    }


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="PDF files; default: three of the evaluation data")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each side")
    parser.add_argument("--parse", action="store_true", help="measure reading alone, no chunks, no index")
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for ingest.json")
    given = parser.parse_args()
    files = given.files or [data_folder(given.data) / "pdf" / "financebench" / name for name in FILES]
    if given.parse:
        rates = parse_rates([file.resolve() for file in files], given.runs)
        rows = [(side, f"{rates[side]['median']:.1f}") for side in ("consilium", "pypdfloader")]
        write(
            given.out,
            "parse",
            rates,
            table(("reader", "pages a second (median)"), rows) + f"\n\n{rates['times']} times",
        )
        return
    results = compare([file.resolve() for file in files], given.runs)
    rows = [
        (
            side,
            f"{results[side]['seconds']['median']:.2f}",
            f"{results[side]['cpu_seconds']['median']:.2f}",
            f"{results[side]['peak_mb']['median']:.0f}",
            results[side]["said"]["chunks"],
        )
        for side in ("consilium", "langchain")
    ]
    shown = table(("pipeline", "seconds (median)", "CPU seconds", "peak MB", "chunks"), rows)
    shown += (
        f"\n\n{results['speedup']} times as fast, {results['memory_ratio']} of the memory; {given.runs} runs of each"
    )
    write(given.out, "ingest", results, shown)


if __name__ == "__main__":
    main()
