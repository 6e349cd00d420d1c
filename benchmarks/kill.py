"""Kills an ingest at random instants, takes it up again, and compares the store with that of an undisturbed run.

Each trial begins with an empty store (or, every second one, with the store of the folder as it was before files were
changed, moved and removed), starts the ingest in a process of its own, ends it by SIGKILL at a random instant of its
life, starts it anew, and so on, until one run comes to its end by itself. Then the store must hold what that of the
undisturbed run holds: sources, texts, tables, chunk ids, offsets, vectors, byte for byte; nothing twice, nothing left
over; and a search must find the same passages with the same scores. Vectors are those of a stand-in,
since the model is not what is tested.

Among the files are copies of others, so that with `duplicates` = "skip" (the default) what is left out, and comes in
when its twin goes, is compared as well.

    python -m benchmarks.kill [--kills 200] [--seed 0] [--workers N] [--duplicates skip|keep] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, python, table, write
from rag.records import FILE

QUERIES = (
    "metformin kidney",
    "net sales 2022",
    "eGFR",
    "二甲双胍 剂量",
    "营业收入",
    "record 17",
    "deposit insurance limit",
    "aspirin 100 mg",
)
MOST_KILLS = 6  # of one trial, before a run is left alone: a store is taken up again so often


def library(folder: Path) -> None:
    """Write about 50 mixed files: the samples in both languages, files of many records, and copies of some."""
    for name in ("medical", "financial"):
        shutil.copytree(ROOT / "examples" / name, folder / name)
    for number in range(3):
        lines = [
            f'{{"id": {i}, "text": "Record {i} of file {number}: eGFR {i % 120} mL/min. 第{i}条记录。"}}'
            for i in range(200)
        ]
        (folder / f"records-{number}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    for number in range(3):
        (folder / f"note-{number}.txt").write_text(
            f"Note {number} on aspirin 100 mg.\n\n第{number}条：营业收入增长。\n", "utf-8"
        )
    shutil.copy(folder / "financial" / "3m-2022.pdf", folder / "a-copy.pdf")
    shutil.copy(folder / "medical" / "metformin.pdf", folder / "z-copy.pdf")
    shutil.copy(folder / "records-1.jsonl", folder / "records-9.jsonl")
    (folder / "note-9.txt").write_text((folder / "note-0.txt").read_text("utf-8"), "utf-8")


def change(folder: Path) -> None:
    """Change, move and remove some files of the library; one pair swaps its names."""
    (folder / "note-0.txt").write_text("Another note, on warfarin.\n", "utf-8")
    (folder / "note-1.txt").unlink()
    (folder / "note-2.txt").rename(folder / "medical" / "moved.txt")
    lines = (folder / "records-0.jsonl").read_text("utf-8").splitlines()
    changed = [line.replace("Record", "Changed record") if i % 3 == 0 else line for i, line in enumerate(lines)]
    (folder / "records-0.jsonl").write_text("\n".join(changed[10:]) + "\n", "utf-8")
    (folder / "records-1.jsonl").write_text((folder / "records-1.jsonl").read_text("utf-8").replace("eGFR 1", "eGFR 2"))
    (folder / "medical" / "metformin.pdf").unlink()
    one, other, between = (folder / "financial" / name for name in ("3m-2022.pdf", "bestbuy-2023.pdf", "between.pdf"))
    one.rename(between)
    other.rename(one)
    between.rename(other)


def child(folder: Path, store: Path, workers: int | None, duplicates: Any) -> None:
    """Ingest once: the body of the process that is killed."""
    from ingest.pipeline import IngestOptions, ingest
    from rag.store import Collection
    from rag.testing import FakeEmbedder

    embedder = FakeEmbedder()
    options = IngestOptions(
        count_tokens=embedder.count_tokens, prune=True, base=folder, workers=workers, duplicates=duplicates
    )
    with Collection.open(store, embedder, writable=True, create=True) as index:
        report = ingest([folder], index, options=options)
    if report.failed:
        raise SystemExit(f"failed: {report.failed}")


def contents(store: Path) -> dict[str, Any]:
    """Return all that a store holds, by source, in an order that does not depend on how it came there."""
    database = sqlite3.connect(f"{(store / FILE).as_uri()}?mode=ro", uri=True)
    rows = database.execute(
        "SELECT s.source, s.fingerprint, d.number, d.id, d.title, d.language, d.page_starts, d.tables, d.metadata, "
        "d.digest "
        "FROM sources s JOIN documents d ON d.number = s.document ORDER BY s.source"
    ).fetchall()
    held: dict[str, Any] = {}
    for source, fingerprint, number, *fields in rows:
        pieces = database.execute("SELECT text FROM pieces WHERE document = ? ORDER BY piece", (number,))
        chunks = database.execute(
            'SELECT c.id, c.start, c."end", c.page, c.kind, c.headings, c.metadata, c.key, v.vector '
            "FROM chunks c LEFT JOIN vectors v ON v.key = c.key WHERE c.document = ? ORDER BY c.start, c.row",
            (number,),
        )
        held[source] = (fingerprint, fields, "".join(text for (text,) in pieces), chunks.fetchall())
    left_over = {
        "chunks": "SELECT COUNT(*) FROM chunks WHERE document NOT IN (SELECT number FROM documents)",
        "documents": "SELECT COUNT(*) FROM documents WHERE number NOT IN (SELECT document FROM sources)",
        "pieces": "SELECT COUNT(*) FROM pieces WHERE document NOT IN (SELECT number FROM documents)",
        "vectors": "SELECT COUNT(*) FROM vectors WHERE key NOT IN (SELECT key FROM chunks)",
    }
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'left_out'").fetchone():
        query = (
            "SELECT l.source, l.fingerprint, l.rule, l.similarity, l.kind, "
            "(SELECT MIN(s.source) FROM sources s WHERE s.document = l.document) FROM left_out l"
        )
        held |= {f"left out: {source}": (fields, [], "", []) for source, *fields in database.execute(query)}
        left_over["signatures"] = "SELECT COUNT(*) FROM signatures WHERE document NOT IN (SELECT number FROM documents)"
        left_over["bands"] = "SELECT COUNT(*) FROM bands WHERE document NOT IN (SELECT document FROM signatures)"
        left_over["without signature"] = (
            "SELECT COUNT(*) FROM documents WHERE number NOT IN (SELECT document FROM signatures)"
        )
    found = {"held": held, "left over": {name: database.execute(sql).fetchone()[0] for name, sql in left_over.items()}}
    database.close()
    return found


def answers(store: Path) -> list[list[tuple[str, str, float]]]:
    """Compact, and return what a search finds: source, chunk, score (4 digits), equal scores in the order of chunk ids.

    Before that BM25 counts deleted texts, too, until segments are merged, which is when it suits the index.
    """
    from rag.store import Collection
    from rag.testing import FakeEmbedder

    with Collection.open(store, FakeEmbedder(), writable=True) as index:
        index.compact()
        found = [index.retrieve(query, 10, mode=mode) for query in QUERIES for mode in ("lexical", "dense")]
    return [
        sorted(((p.source, p.chunk.id, round(p.score, 4)) for p in each), key=lambda x: (-x[2], x[1])) for each in found
    ]


@dataclass(frozen=True, slots=True)
class Phase:
    """An ingest that is killed: the folder, the store it begins with, and what must come out."""

    name: str
    folder: Path
    before: Path | None
    contents: dict[str, Any]
    answers: list[list[tuple[str, str, float]]]
    seconds: float


def started(folder: Path, store: Path, how: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start an ingest."""
    arguments = ["--child", str(folder), str(store), *how]
    return subprocess.Popen(
        python("benchmarks.kill", *arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for an ingest that is left alone.

    Raises:
        RuntimeError: it failed.
    """
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"an ingest that was left alone failed: {said.decode()[-2000:]}")


def phases(scratch: Path, how: Sequence[str]) -> list[Phase]:
    """Run undisturbed: an empty store that is filled, and a filled one that follows changes."""
    found: list[Phase] = []
    for name in ("filled", "followed"):
        folder, store = scratch / name / "library", scratch / name / "store"
        folder.parent.mkdir()
        library(folder)
        if found:
            shutil.copytree(scratch / "first", store)
            change(folder)
        began = time.perf_counter()
        finish(started(folder, store, how))
        before = scratch / "first"
        if not found:
            shutil.copytree(store, before)
        seconds, held = time.perf_counter() - began, contents(store)
        found.append(Phase(name, folder, before if found else None, held, answers(store), seconds))
    return found


def trial(phase: Phase, store: Path, luck: random.Random, kills: int, how: Sequence[str]) -> tuple[int, list[str]]:
    """Kill at most `kills` times, then let it finish; return the kills that met a living ingest, and what differs."""
    if phase.before:
        shutil.copytree(phase.before, store)
    met = 0
    for _ in range(kills):
        process = started(phase.folder, store, how)
        try:
            _, said = process.communicate(timeout=luck.uniform(0.15, 1) * phase.seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            met += 1
            continue
        if process.returncode:
            return met, [f"taking up failed: {said.decode()[-1500:]}"]
    finish(started(phase.folder, store, how))
    return met, differences(phase, contents(store), answers(store))


def differences(phase: Phase, found: dict[str, Any], hits: list[list[tuple[str, str, float]]]) -> list[str]:
    """Say in what a store differs from that of the undisturbed run."""
    wrong = [f"{count} {name} left over" for name, count in found["left over"].items() if count]
    held, meant = found["held"], phase.contents["held"]
    wrong += [f"{source} is missing" for source in meant if source not in held]
    wrong += [f"{source} should not be there" for source in held if source not in meant]
    for source in held.keys() & meant.keys():
        parts = zip(("fingerprint", "document", "text", "chunks and vectors"), held[source], meant[source], strict=True)
        wrong += [f"{source}: {part} differ" for part, is_, should in parts if is_ != should]
    for query, is_, should in zip((q for q in QUERIES for _ in range(2)), hits, phase.answers, strict=True):
        if is_ != should:
            other, lost = sorted(set(is_) - set(should)), sorted(set(should) - set(is_))
            wrong.append(f"search {query!r} finds {other}, should {lost}")
    return wrong


def kill(kills: int, seed: int, how: Sequence[str] = ()) -> dict[str, Any]:
    """Run trials until so many kills have met an ingest; return the figures."""
    luck, met, trials, wrong = random.Random(seed), 0, Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="consilium-kill-") as folder:
        scratch = Path(folder)
        both = phases(scratch, how)
        while met < kills:
            phase = both[trials.total() % 2]
            store = scratch / "store"
            times, differ = trial(phase, store, luck, min(luck.randint(1, MOST_KILLS), kills - met), how)
            met += times
            trials[phase.name] += 1
            wrong += [f"trial {trials.total()} ({phase.name}): {each}" for each in differ]
            print(*differ[:5], sep="\n", end="\n" if differ else "", file=sys.stderr)
            print(f"{met}/{kills} kills, {trials.total()} stores, {len(wrong)} differences", file=sys.stderr)
            shutil.rmtree(store)
    chunks = {phase.name: sum(len(chunks) for *_, chunks in phase.contents["held"].values()) for phase in both}
    return {
        "kills": met,
        "stores": dict(trials),
        "sources": {phase.name: len(phase.contents["held"]) for phase in both},
        "chunks": chunks,
        "undisturbed_seconds": {phase.name: round(phase.seconds, 2) for phase in both},
        "differences": wrong,
    }


def main() -> None:
    """Read the arguments, kill, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="kills that meet a living ingest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes that read; default: as the ingest decides")
    parser.add_argument("--duplicates", choices=("skip", "keep"), default="skip")
    parser.add_argument("--out", type=Path, help="folder for kill.json")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], given.child[1], given.workers, given.duplicates)
        return
    how = ["--duplicates", given.duplicates, *(() if given.workers is None else ("--workers", str(given.workers)))]
    results = kill(given.kills, given.seed, how)
    rows = [(name, n, results["sources"][name], results["chunks"][name]) for name, n in results["stores"].items()]
    shown = table(("store", "trials", "sources", "chunks"), rows)
    shown += f"\n\n{results['kills']} kills, {len(results['differences'])} differences"
    write(given.out, "kill", results, "\n".join([shown, *results["differences"][:20]]))


if __name__ == "__main__":
    main()
