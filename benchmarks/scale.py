"""Time, memory and recall of a collection as it grows from a thousand chunks to a million.

python -m benchmarks.scale [--sizes 1000,10000,100000,1000000] [--folder FOLDER] [--data FOLDER] [--out FOLDER]
python -m benchmarks.scale --gpu     FAISS flat on a card: 10 M x 384 against what its memory can give

The collection is made of real chunks repeated with noise (see benchmarks.made_corpus) and grows through the product's
own classes; it needs 4 GB a million in FOLDER. After each size it is closed and measured by a process of its own.
Memory is what the system says of that process; files mapped into it count, the system may take them back.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.made_corpus import CHUNKS_A_DOCUMENT, Corpus, HandedOut, corpus_of
from benchmarks.measure import data_folder, python, run, table, write
from rag import nearest
from rag.embed import MiniLM
from rag.settings import load_settings
from rag.store import Collection

COMMIT = 50_000
FILTERS: dict[str, dict[str, Any]] = {
    "year": {"year": 2019},
    "years": {"year>=": 2016, "language": "en"},
    "before": {"published<": "2016-07-01"},
    "company": {"organisation": "Company 7"},
    "group": {"permissions": ["group-1", "group-6"]},
    "chinese": {"language": "zh"},
}
QUERY_SETS = ("scifact", "obliqa", "zh_kuake")


def grow(path: Path, corpus: Corpus, embedder: HandedOut, have: int, size: int) -> dict[str, float]:
    """Add chunks `have`..`size`-1, close the collection, and return seconds and CPU seconds of it all."""
    started, worked = time.perf_counter(), time.process_time()
    making = 0.0
    with Collection.open(path, embedder, writable=True, create=True) as collection:
        for first in range(have, size, COMMIT):
            begun = time.process_time()
            made = list(corpus.documents(first, min(size, first + COMMIT)))
            making += time.process_time() - begun
            for document, chunks, vectors in made:
                embedder.waiting |= {c.embedded_text: v for c, v in zip(chunks, vectors, strict=True)}
                collection.add(document, chunks)
            collection.commit()
            embedder.waiting.clear()
            print(
                f"{min(size, first + COMMIT)} chunks, {time.perf_counter() - started:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return {
        "build_seconds": time.perf_counter() - started,
        "build_cpu_seconds": time.process_time() - worked - making,
        "build_peak_mb": memory()["peak_mb"],
    }


def questions(root: Path, count: int) -> list[str]:
    """Return questions of several sets in turn, English ones twice as many as Chinese ones."""
    found = []
    for name in QUERY_SETS:
        with gzip.open(root / "retrieval" / name / "queries.jsonl.gz", "rt", encoding="utf-8") as lines:
            found.append(
                [json.loads(line)["text"] for _, line in zip(range(count // len(QUERY_SETS)), lines, strict=False)]
            )
    return [text for texts in zip(*found, strict=True) for text in texts]


def memory() -> dict[str, float]:
    """Return resident MB of this process: all, without mapped files, and the most there ever was."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    names = {"resident_mb": "VmRSS", "anonymous_mb": "RssAnon", "peak_mb": "VmHWM"}
    return {key: int(told[name].split()[0]) / 1000 for key, name in names.items()}


def forget(folder: Path) -> None:
    """Ask the system to drop the files of a folder from its cache, so that opening them reads the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def spread(seconds: list[float]) -> dict[str, float]:
    """Return median and 99th percentile in milliseconds."""
    return {
        "p50": round(1000 * float(np.median(seconds)), 2),
        "p99": round(1000 * float(np.percentile(seconds, 99)), 2),
    }


def timed(collection: Collection, texts: list[str], k: int, where: dict[str, Any] | None) -> dict[str, Any]:
    """Return how long searches take: all, each step, and the CPU of both; and how many found k."""
    wall, work, full = [], [], 0
    steps: dict[str, list[float]] = {}
    for text in texts:
        started, worked = time.perf_counter(), time.process_time()
        found = collection.retrieve(text, k, where=where)
        wall.append(time.perf_counter() - started)
        work.append(time.process_time() - worked)
        full += len(found) == k
        for name, seconds in collection.legs(text, fetch_k=1000, where=where).timings.items():
            steps.setdefault(name, []).append(seconds)
    return {
        "wall_ms": spread(wall),
        "cpu_ms": spread(work),
        "found_k": full / len(texts),
        "steps_ms": {name: spread(seconds) for name, seconds in steps.items()},
    }


def recall(collection: Collection, embedder: HandedOut, texts: list[str], k: int) -> float:
    """Return the share of the true k nearest rows that the dense leg finds, over all texts."""
    vectors = np.stack([embedder.embed_query(text) for text in texts]).astype(np.float32)
    best = np.full((len(texts), k), -2.0, dtype=np.float32)
    leg = collection._legs._dense
    for part in leg._parts:
        for block in nearest.living(part, leg._alive):
            scores = vectors @ block[1].astype(np.float32).T
            both = np.concatenate([best, scores], axis=1)
            best = -np.sort(-np.partition(both, -k, axis=1)[:, -k:], axis=1)
    hits = 0
    for text, true in zip(texts, best, strict=True):  # by score: of equal ones either will do
        found = collection.legs(text, fetch_k=1000, mode="dense").dense[:k]
        hits += sum(score >= true[-1] - 1e-5 for _, score in found)
    return hits / (k * len(texts))


def visible_after(path: Path, embedder: HandedOut, times: int) -> dict[str, Any]:
    """Delete documents one by one; return how long it takes until a reader, by a search of its own, finds them no more.

    Between a commit and that lie the disk's answers to what is to be durable: `cpu_ms` is what is left without them.
    `commit_ms` is the part of the writer, the rest is the search.
    """
    seconds, work, commits = [], [], []
    with Collection.open(path, embedder, writable=True) as writer, Collection.open(path, embedder) as reader:
        for _ in range(times):
            passage = reader.retrieve(f"treatment {len(seconds)} of patients", 1)[0]
            started, worked = time.perf_counter(), time.process_time()
            writer.delete(passage.chunk.doc_id)
            writer.commit()
            commits.append(time.perf_counter() - started)
            found = reader.retrieve(passage.chunk.text[:200], 10)
            seconds.append(time.perf_counter() - started)
            work.append(time.process_time() - worked)
            if passage.chunk.doc_id in {other.chunk.doc_id for other in found}:
                raise SystemExit("a deleted document was found")
    return {"wall_ms": spread(seconds), "commit_ms": spread(commits), "cpu_ms": spread(work)}


def measure(path: Path, data: Path, count: int) -> dict[str, Any]:
    """Return everything about one size; the collection loses a few documents by it."""
    embedder = HandedOut(MiniLM(load_settings().cache), 384)
    texts = questions(data, count)
    embedder.embed_query(texts[0])
    forget(path)
    started = time.perf_counter()
    collection = Collection.open(path, embedder)
    collection.retrieve(texts[0], 10)
    found: dict[str, Any] = {"open_seconds": time.perf_counter() - started}
    timed(collection, texts[:30], 10, None)  # what follows is warm
    found["plain"] = timed(collection, texts, 10, None)
    found["filtered"] = {name: timed(collection, texts[: count // 3], 10, where) for name, where in FILTERS.items()}
    found |= memory()
    found["recall@10"] = recall(collection, embedder, texts[: count // 2], 10)
    found["files_mb"] = {
        file.name: round(file.stat().st_size / 1e6, 1) for file in path.iterdir() if file.stat().st_size > 1e6
    } | {"lexical": sum(file.stat().st_size for file in (path / "lexical").iterdir()) / 1e6}
    collection.close()
    found["delete"] = visible_after(path, embedder, 10)
    return found


def rows_of(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of the table."""
    rows = []
    for size, each in found.items():
        slowest = max(each["filtered"].values(), key=lambda one: float(one["wall_ms"]["p50"]))
        plain, few = each["plain"], slowest["wall_ms"]
        rows.append(
            (
                *(f"{int(size):,}", f"{each['build_cpu_seconds']:.0f}", f"{each['open_seconds']:.2f}"),
                *(f"{plain['wall_ms']['p50']} / {plain['wall_ms']['p99']}", f"{few['p50']} / {few['p99']}"),
                *(plain["cpu_ms"]["p50"], f"{each['recall@10']:.4f}"),
                *(f"{each['resident_mb']:.0f} / {each['anonymous_mb']:.0f}", each["delete"]["wall_ms"]["p50"]),
            )
        )
    return rows


HEADER = (
    *("chunks", "build, CPU s", "cold open, s", "search p50 / p99, ms", "slowest filter p50 / p99, ms"),
    *("search CPU p50, ms", "recall@10", "resident / anonymous, MB", "delete seen, ms"),
)


def on_gpu(count: int, dimension: int) -> dict[str, Any]:
    """Return how near a flat search on a card comes to reading all vectors once for a batch, by batch size."""
    faiss = nearest.library()
    if not faiss.get_num_gpus():
        raise SystemExit("There is no GPU that FAISS can use (faiss-gpu and a card are wanted).")
    index = nearest.flat(dimension)
    draw = np.random.default_rng(1)
    for start in range(0, count, 100_000):
        block = draw.standard_normal((100_000, dimension), dtype=np.float32)
        index.add_with_ids(block / np.linalg.norm(block, axis=1, keepdims=True), np.arange(start, start + 100_000))
    card = nearest.on_gpu(index)
    found: dict[str, Any] = {"vectors": count, "bytes": 2 * count * dimension}
    for batch in (1, 16, 256):
        queries = draw.standard_normal((batch, dimension), dtype=np.float32)
        seconds = []
        for _ in range(20):
            started = time.perf_counter()
            card.search(queries, 10)
            seconds.append(time.perf_counter() - started)
        middle = float(np.median(seconds[5:]))
        found[f"batch {batch}"] = {"ms": 1000 * middle, "read_gb_per_s": found["bytes"] / middle / 1e9}
    return found


def main() -> None:
    """Read the arguments, grow, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000", help="chunks, ascending, comma between")
    parser.add_argument("--base", type=int, default=20_000, help="real chunks that are repeated")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument(
        "--folder", type=Path, help="where the collection grows, stays and goes on growing; else a temporary one"
    )
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for scale.json")
    parser.add_argument("--gpu", action="store_true", help="measure FAISS flat search on a card, nothing else")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.gpu:
        found = on_gpu(10_000_000, 384)
        write(given.out, "scale-gpu", found, json.dumps(found, indent=2))
        return
    data = data_folder(given.data)
    if given.measure:
        print(json.dumps(measure(given.measure, data, given.queries)))
        return
    with tempfile.TemporaryDirectory(prefix="consilium-scale-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model = MiniLM(load_settings().cache)
        corpus = corpus_of(data / "corpora", given.base, model, folder)
        embedder, results, reached = HandedOut(model, corpus.vectors.shape[1]), {}, folder / "reached"
        have = int(reached.read_text()) if reached.is_file() else 0
        for size in (int(size) // CHUNKS_A_DOCUMENT * CHUNKS_A_DOCUMENT for size in given.sizes.split(",")):
            built = grow(folder / "c", corpus, embedder, have, size)
            reached.write_text(str(size))
            told = run(python("benchmarks.scale", "--measure", str(folder / "c"), "--queries", str(given.queries)))
            results[str(size)], have = {**built, **json.loads(told.stdout)}, size
            print(json.dumps({size: results[str(size)]}), file=sys.stderr, flush=True)
    write(given.out, "scale", {"base": given.base, "sizes": results}, table(HEADER, rows_of(results)))


if __name__ == "__main__":
    main()
