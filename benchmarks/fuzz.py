"""Ingests 2,000 files as they must not be, in one batch: nothing may crash, hang, or flood the memory.

The files are those of `benchmarks.mutate`: mutated samples, and bombs, nests, endless lines and odd places made on
purpose. Each must be read or be named with a reason, or with the one it repeats; afterwards the collection must hold
sound text and answer.

    python -m benchmarks.fuzz [--files 2000] [--seed 0] [--workers N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import table, write
from benchmarks.mutate import write_files
from ingest.pipeline import IngestOptions, Report, ingest
from rag.store import Collection
from rag.testing import FakeEmbedder

UNFORESEEN = re.compile(r"it is broken, or of a kind not met before")
"""How a reason begins that nobody wrote for a reader."""


class Memory(threading.Thread):
    """Samples the memory of this process and of its readers, ten times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.before = psutil.Process().memory_info().rss  # the process may have done other things before
        self.own = self.reader = self.together = 0

    def run(self) -> None:
        """Sample."""
        process = psutil.Process()
        while not self.done.wait(0.1):
            own, readers = process.memory_info().rss, []
            for child in process.children():
                try:
                    readers.append(child.memory_info().rss)
                except psutil.Error:  # it ended while we looked
                    continue
            self.own = max(self.own, own)
            self.reader = max([self.reader, *readers])
            self.together = max(self.together, own + sum(readers))


def fuzz(count: int, seed: int, *, workers: int | None = None, only: int | None = None) -> dict[str, Any]:
    """Write the files, ingest them, and return what became of them by kind."""
    turns: list[tuple[str, float]] = []
    memory = Memory()
    with tempfile.TemporaryDirectory(prefix="consilium-fuzz-") as scratch:
        folder, embedder = Path(scratch) / "files", FakeEmbedder(64)
        folder.mkdir()
        kinds = write_files(folder, count, seed, only=only)
        options = IngestOptions(count_tokens=embedder.count_tokens, base=folder, workers=workers)
        memory.start()
        with Collection.open(Path(scratch) / "store", embedder, writable=True, create=True) as index:
            report = ingest([folder], index, options=options, progress=partial(_note, turns))
            held = {source.split("#")[0] if source not in kinds else source for source in index.sources()}
            unsound = [row["source"] for row in index.documents() if not _sound(index, row["id"])]
            answers = len(index.retrieve("aspirin 100 mg", 5))
        memory.done.set()
        memory.join()
        (folder / "closed.txt").chmod(0o600)
    seconds = {name: after - before for (name, before), (_, after) in pairwise(turns)}
    return {
        **_by_kind(kinds, held, report, seconds),
        "report": {"documents": report.documents, "chunks": report.chunks, "seconds": round(report.seconds, 1)},
        "slowest": sorted(((round(s, 2), name) for name, s in seconds.items()), reverse=True)[:10],
        "memory_mb": {name: round(getattr(memory, name) / 1e6) for name in ("before", "own", "reader", "together")},
        "unsound": unsound,
        "answers": answers,
    }


def _note(turns: list[tuple[str, float]], done: int, total: int, source: str) -> None:
    """Note when a file's turn begins; say on the way which one took long."""
    now = time.perf_counter()
    if turns and now - turns[-1][1] > 5:
        print(f"{done}/{total} {turns[-1][0]!r} took {now - turns[-1][1]:.1f} s", file=sys.stderr, flush=True)
    turns.append((source, now))


def _sound(index: Collection, doc_id: str) -> bool:
    """Tell whether a document and its chunks agree."""
    document = index.document(doc_id)
    chunks = index.chunks(doc_id)
    return bool(document.text.strip()) and all(document.text[c.start : c.end] == c.text for c in chunks)


def _by_kind(kinds: dict[str, str], held: set[str], report: Report, seconds: dict[str, float]) -> dict[str, Any]:
    """Count what was read, repeated or failed; list files that are none, and reasons nobody wrote for a reader."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    shown = {name.encode("utf-8", "backslashreplace").decode() for name in kinds}
    repeats = {found["source"].rpartition("#")[0] or found["source"] for found in report.duplicates}
    repeats |= {found["source"] for found in report.duplicates}
    for failure in report.failed:
        source = failure["source"]
        reasons[source if source in shown else source.rpartition("#")[0]].append(failure["reason"])
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    slowest: defaultdict[str, float] = defaultdict(float)
    silent = []
    for name, kind in kinds.items():
        named = bool(reasons.get(name.encode("utf-8", "backslashreplace").decode()))
        rows[kind].update(files=1, read=name in held, failed=named and name not in held)
        rows[kind]["read in part"] += named and name in held
        repeated = not named and name not in held and name in repeats
        rows[kind]["left out"] += repeated
        slowest[kind] = max(slowest[kind], seconds.get(name, 0.0))
        if not named and name not in held and not repeated:
            silent.append(name)
    common = Counter(
        re.sub(r"[\d,.]+", "N", re.sub(r"\(.*?\)", "(…)", r))[:110] for each in reasons.values() for r in each
    )
    return {
        "kinds": {kind: {**counts, "slowest": round(slowest[kind], 2)} for kind, counts in sorted(rows.items())},
        "silent": silent,
        "unforeseen": [(name, r) for name, each in reasons.items() for r in each if UNFORESEEN.match(r)],
        "reasons": common.most_common(),
    }


def main() -> None:
    """Read the arguments, ingest, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes that read; default: as the ingest decides")
    parser.add_argument("--out", type=Path, help="folder for fuzz.json")
    given = parser.parse_args()
    results = fuzz(given.files, given.seed, workers=given.workers)
    names = ("files", "read", "read in part", "left out", "failed", "slowest")
    rows = [(kind, *(counts.get(name, 0) for name in names)) for kind, counts in results["kinds"].items()]
    shown = table(("kind", *names[:-1], "slowest turn, s"), rows)
    rest = {name: results[name] for name in ("report", "memory_mb", "answers", "slowest")}
    lists = [f"{name}: {len(results[name])} {results[name][:12]}" for name in ("silent", "unforeseen", "unsound")]
    reasons = [f"{times:5} {reason}" for reason, times in results["reasons"]]
    write(given.out, "fuzz", results, "\n".join([shown, "", str(rest), *lists, *reasons]))


if __name__ == "__main__":
    main()
