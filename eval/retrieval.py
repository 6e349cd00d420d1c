"""Measuring search on BEIR folders: one record is one chunk, so that figures compare with published ones."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from eval.bootstrap import estimates
from eval.dataset import Query, Record, RetrievalSet, load_retrieval
from eval.report import write_report
from eval.stamp import RunOptions, percentiles, stamp, write_json, write_lines
from rag.errors import UnknownCollectionError, UserError, require
from rag.language import detect_language
from rag.retrieve import Mode, Search
from rag.schema import Chunk, Document, Embedder, Retriever

if TYPE_CHECKING:
    from rag.store import Collection

METRICS = ("ndcg@10", "recall@100", "mrr@10", "precision@5", "map")
DEPTH = 100
"""Records taken from each ranking. `map` is therefore cut at 100."""

MODES = ("hybrid", "lexical", "dense")
_BATCH = 2048

Ranking = list[str]


def evaluate(
    dataset_dir: Path | str,
    split: str,
    out: Path | str,
    *,
    embedder: Embedder,
    mode: str = "hybrid",
    fetch_k: int = 1000,
    options: RunOptions | None = None,
) -> dict[str, Any]:
    """Index a corpus, rank it for every judged query and return what `out/results.json` then holds.

    A record is indexed as "title, line break, text" in one chunk, however long; an embedder that reads 256 tokens sees
    the head of a long one. Queries with candidates rank among those alone. `metrics` holds the chosen mode, `modes`
    every mode measured (`options.other_modes`).

    Args:
        dataset_dir: BEIR folder.
        split: name of the file in `qrels/`.
        out: folder of the run.
        embedder: of corpus and queries.
        mode: "hybrid", "lexical" or "dense".
        fetch_k: candidates each leg hands to the fusion.
        options: stamp, seed, progress, cache of indexed corpora.

    Raises:
        DocumentError: the folder is not in BEIR layout, or a line of it is wrong.
        UserError: an unknown mode.
    """
    options = options or RunOptions()
    modes = list(dict.fromkeys((mode, *options.other_modes)))
    for name in modes:
        if name not in MODES:
            raise UserError(f"mode must be one of {', '.join(MODES)}, got {name!r}.")
    data = load_retrieval(dataset_dir, split)
    rankings: dict[str, dict[str, Ranking]] = {}
    timings: dict[str, Any] = {}
    start = time.perf_counter()
    with _indexed(data, embedder, options) as collection:
        timings["index_seconds"] = round(time.perf_counter() - start, 3)
        for name in modes:
            search = Search(collection, fetch_k=fetch_k, mode=cast(Mode, name))
            rankings[name], seconds = rank(search, data.queries, options, what=f"search {name}")
            timings[f"{name}_seconds"] = percentiles(seconds)
    scores = {name: scores_of(data.qrels, ranking) for name, ranking in rankings.items()}
    rows = list(_rows(data, rankings, scores, mode))
    results = _summary(data, scores, mode, options) | {"fetch_k": fetch_k, "timings": timings}
    write_lines(Path(out) / "per_example.jsonl", rows)
    write_report(Path(out) / "report.html", results, rows)
    write_json(Path(out) / "results.json", results)
    return results


def rank(
    search: Retriever, queries: Sequence[Query], options: RunOptions | None = None, *, what: str = "search"
) -> tuple[dict[str, Ranking], list[float]]:
    """Return the record ids found for each query, best first, and the seconds each query took."""
    options = options or RunOptions()
    rankings, seconds = {}, []
    for done, query in enumerate(queries, 1):
        where = None if query.candidates is None else {"record": query.candidates}
        start = time.perf_counter()
        passages = search.retrieve(query.text, DEPTH, where=where)
        seconds.append(time.perf_counter() - start)
        rankings[query.id] = list(dict.fromkeys(str(passage.metadata["record"]) for passage in passages))
        options.tell(what, done, len(queries))
    return rankings, seconds


def scores_of(qrels: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return {query: {metric: value}} by ir-measures.

    nDCG takes the grade itself as gain, as trec_eval does; elsewhere every grade from 1 up is relevant. A judged query
    without a ranking scores 0. Order alone counts: scores of the index are not compared.
    """
    require("ir_measures", extra="eval")
    import ir_measures
    from ir_measures import AP, RR, P, R, nDCG

    measures = dict(zip((nDCG @ 10, R @ 100, RR @ 10, P @ 5, AP), METRICS, strict=True))
    run = {query: {record: -float(at) for at, record in enumerate(found)} for query, found in rankings.items() if found}
    scores = {query: dict.fromkeys(METRICS, 0.0) for query in qrels}
    plain = {query: dict(grades) for query, grades in qrels.items()}
    for found in ir_measures.iter_calc(list(measures), plain, run):
        if found.query_id in scores:
            scores[found.query_id][measures[found.measure]] = float(found.value)
    return scores


@contextmanager
def _indexed(data: RetrievalSet, embedder: Embedder, options: RunOptions) -> Iterator[Collection]:
    """Yield the corpus as a collection: kept under the cache by the hash of corpus and embedder, or temporary."""
    from rag.embed import identity
    from rag.store import Collection

    with TemporaryDirectory(prefix="consilium-eval-") as scratch:
        name = "corpus"
        if options.cache is not None:
            made = identity(embedder)
            name = hashlib.sha256(f"{data.corpus_hash} {made.id} {made.weight_hash}".encode()).hexdigest()[:24]
        folder = (Path(scratch) if options.cache is None else options.cache / "eval") / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not _complete(folder, embedder, len(data.corpus)):
            with Collection.open(folder, embedder, writable=True, create=True) as collection:
                _fill(collection, data.corpus, options)
        with Collection.open(folder, embedder) as collection:
            yield collection


def _complete(folder: Path, embedder: Embedder, records: int) -> bool:
    """Tell whether a kept collection holds them all; it is only read then, so that runs may share it."""
    from rag.store import Collection

    try:
        with Collection.open(folder, embedder) as collection:
            return len(collection) == records
    except UnknownCollectionError:
        return False


def _fill(collection: Collection, corpus: Sequence[Record], options: RunOptions) -> None:
    """Store what is not stored yet; each batch is durable, so that an interrupted filling goes on."""
    records = iter(corpus)
    done = 0
    while batch := list(islice(records, _BATCH)):
        for record in batch:
            if not collection.unchanged(record.id, "beir"):
                document = _document(record)
                collection.add(document, [Chunk.of(document, 0, len(document.text))], fingerprint="beir")
        collection.commit()
        done += len(batch)
        options.tell("index", done, len(corpus))


def _document(record: Record) -> Document:
    text = f"{record.title}\n{record.text}" if record.title else record.text
    metadata = {"record": record.id}
    return Document.of(text, record.id, title=record.title, language=detect_language(text), metadata=metadata)


def _rows(
    data: RetrievalSet, rankings: Mapping[str, Mapping[str, Ranking]], scores: Mapping[str, Any], mode: str
) -> Iterable[dict[str, Any]]:
    for query in data.queries:
        judged = data.qrels[query.id]
        yield {
            "id": query.id,
            "question": query.text,
            "language": detect_language(query.text),
            "relevant": {record: grade for record, grade in judged.items() if grade > 0},
            "retrieved": rankings[mode][query.id][:10],
            "scores": scores[mode][query.id],
            "modes": {name: found[query.id] for name, found in scores.items()},
        }


def _summary(data: RetrievalSet, scores: Mapping[str, Any], mode: str, options: RunOptions) -> dict[str, Any]:
    ids = [query.id for query in data.queries]
    modes = {}
    for name, found in scores.items():
        table = {metric: [found[key][metric] for key in ids] for metric in METRICS}
        modes[name] = estimates(table, seed=options.seed, resamples=options.resamples)
    return {
        "kind": "retrieval",
        "metrics": modes[mode],
        "mode": mode,
        "modes": modes,
        "per_example": "per_example.jsonl",
        "n": len(ids),
        "dataset": {
            "name": data.name,
            "split": data.split,
            "hash": data.hash,
            "documents": len(data.corpus),
            "queries": len(ids),
            "judgements": sum(len(grades) for grades in data.qrels.values()),
            "dropped": dict(data.dropped),
        },
        **stamp(options),
    }
