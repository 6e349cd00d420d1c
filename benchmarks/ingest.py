"""Three 10-K reports, from PDF to an index on disk: Consilium beside LangChain's usual pipeline.

Both sides run as processes of their own, in turn, from cold start to exit, and write a new index each time. Consilium
reads tables, offsets and headings on the way and writes a lexical index too; the peer (`benchmarks.peer`) does not.
The graph of the embedder is exported once per machine: that happens in the warm-up, which is not counted.

`--parse` measures reading alone, ours in worker processes as an ingest has them, PyPDFLoader in this one; the pages a
second of CPU time do not depend on what else the machine does. `--pages 3000` ingests one PDF of so many pages, put
together from the files, for its peak memory.

    python -m benchmarks.ingest [--parse | --pages N] [--runs 3] [--workers 2] [--data DIR] [--out DIR] [FILE.pdf...]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, data_folder, middle, python, run, table, write
from ingest.discover import Found
from ingest.parsers.blocks import Broken
from ingest.reader import Limits
from ingest.workers import Readers

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


def parse_rates(files: list[Path], runs: int, workers: int) -> dict[str, Any]:
    """Return pages a second, and a second of CPU time, of reading alone, in turn: ours with tables, and PyPDFLoader."""
    sides: dict[str, Callable[[], int]] = {
        "consilium": lambda: _read_by_workers(files, workers),
        "pypdfloader": lambda: _read_by_pypdf(files),
    }
    rates: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(runs):
        for side, read in sides.items():
            start, cpu = time.perf_counter(), _cpu_seconds()
            pages = read()
            rates[side].append((pages / (time.perf_counter() - start), pages / (_cpu_seconds() - cpu)))
    found: dict[str, Any] = {"files": [file.name for file in files], "pages": pages, "workers": workers}
    for side, pairs in rates.items():
        wall, cpu_rates = zip(*pairs, strict=True)
        found[side] = {"pages_per_second": middle(wall), "pages_per_cpu_second": middle(cpu_rates)}
    for rate in ("pages_per_second", "pages_per_cpu_second"):
        found[f"times_{rate}"] = round(found["consilium"][rate]["median"] / found["pypdfloader"][rate]["median"], 2)
    return found


def _read_by_workers(files: list[Path], workers: int) -> int:
    """Read files as an ingest does, in processes of their own; return the pages."""
    pages = 0
    with Readers(workers, Limits()) as readers:
        for reading in [readers.begin(Found(file, file.name)) for file in files]:
            for one in reading:
                if isinstance(one, Broken):
                    raise SystemExit(f"{one.source}: {one.reason}")
                pages += int(str(one.document.metadata["pages"]))
    return pages


def _read_by_pypdf(files: list[Path]) -> int:
    from langchain_community.document_loaders import PyPDFLoader

    return sum(len(PyPDFLoader(str(file)).load()) for file in files)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def one_long_file(files: list[Path], pages: int) -> dict[str, Any]:
    """Return what ingesting one PDF of so many pages, those of the files again and again, takes."""
    with tempfile.TemporaryDirectory(prefix="consilium-bench-") as scratch:
        made = Path(scratch) / f"{pages}.pdf"
        _join(files, pages, made)
        found = _with_cache(Path(scratch) / "home", [made])
    return {"pages": pages, **found.as_json(), "said": json.loads(found.stdout)}


def _join(files: list[Path], pages: int, made: Path) -> None:
    """Write one PDF with the pages of files, again and again until there are enough."""
    import pypdfium2 as pdfium

    joined = pdfium.PdfDocument.new()
    for file in cycle(files):
        source = pdfium.PdfDocument(file)
        joined.import_pages(source, list(range(min(len(source), pages - len(joined)))))
        source.close()
        if len(joined) >= pages:
            break
    joined.save(made)
    joined.close()


def _summary(found: list[Run]) -> dict[str, Any]:
    keys = ("seconds", "cpu_seconds", "peak_mb")
    return {
        **{key: middle([one.as_json()[key] for one in found]) for key in keys},
        "said": json.loads(found[-1].stdout),
    }


def _shown_rates(rates: dict[str, Any]) -> str:
    names = ("pages_per_second", "pages_per_cpu_second")
    rows = [(side, *(f"{rates[side][name]['median']:.1f}" for name in names)) for side in ("consilium", "pypdfloader")]
    rows.append(("times", *(str(rates[f"times_{name}"]) for name in names)))
    return table(("reader", "pages a second (median)", "pages a CPU second (median)"), rows)


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="PDF files; default: three of the evaluation data")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each side")
    parser.add_argument("--parse", action="store_true", help="measure reading alone, no chunks, no index")
    parser.add_argument("--workers", type=int, default=2, help="processes that read, with --parse")
    parser.add_argument("--pages", type=int, default=0, help="ingest one PDF of so many pages, for its peak memory")
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for ingest.json")
    given = parser.parse_args()
    files = given.files or [data_folder(given.data) / "pdf" / "financebench" / name for name in FILES]
    files = [file.resolve() for file in files]
    if given.parse:
        rates = parse_rates(files, given.runs, given.workers)
        write(given.out, "parse", rates, _shown_rates(rates))
        return
    if given.pages:
        found = one_long_file(files, given.pages)
        row = (found["pages"], f"{found['seconds']:.1f}", f"{found['peak_mb']:.0f}", found["said"]["chunks"])
        write(given.out, "long", found, table(("pages", "seconds", "peak MB", "chunks"), [row]))
        return
    results = compare(files, given.runs)
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
