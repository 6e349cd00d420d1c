"""Measuring search on BEIR folders: one record is one chunk, so that figures compare with published ones."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

from eval.bootstrap import estimates
from eval.corpus import indexed
from eval.dataset import Query, RetrievalSet, load_retrieval
from eval.leakage import guard, guard_notes, questions_of
from eval.ranking import DEPTH, METRICS, check_metrics, definitions, recall_curve, scores_of
from eval.report import write_report
from eval.resume import each, failed
from eval.stamp import RunOptions, check_folder, percentiles, stamp, write_json, write_lines
from rag.errors import UserError
from rag.language import detect_language
from rag.retrieve import Mode, Search
from rag.schema import Embedder, Passage, Reranker, Retriever
from rag.understand import Understanding

MODES = ("hybrid", "lexical", "dense")
SHOWN = 3
"""Passages of each query that are kept with their first 300 characters."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search: which legs, candidates of each, and the share of the dense leg (None: measured for MiniLM).

    The mode "hybrid" understands and reranks, if told so; one leg alone is measured as it is.
    """

    mode: str = "hybrid"
    fetch_k: int = 1000
    dense_weight: float | None = None
    understanding: Understanding | None = None
    reranker: Reranker | None = None
    rerank_k: int = 100
    closeness: bool = True

    def over(self, index: Retriever, mode: str) -> Search:
        """Return the way to search an index in a mode."""
        reranker = self.reranker if mode == "hybrid" else None
        return Search(
            index,
            reranker=reranker,
            fetch_k=self.fetch_k,
            rerank_k=self.rerank_k,
            mode=cast(Mode, mode),
            understanding=self.understanding,
            closeness=self.closeness,
        )


def evaluate(
    dataset_dir: Path | str,
    split: str,
    out: Path | str,
    *,
    embedder: Embedder,
    search: SearchOptions | None = None,
    metrics: Sequence[str] = METRICS,
    options: RunOptions | None = None,
) -> dict[str, Any]:
    """Index a corpus, rank it for every judged query and return what `out/results.json` then holds.

    A record is indexed as "title, line break, text" in one chunk, however long; an embedder that reads 256 tokens sees
    the head of a long one. Queries with candidates rank among those alone. `metrics` holds the chosen mode, `modes`
    every mode measured (`options.other_modes`). A query whose search fails is recorded with its error and scores 0;
    where all fail there are no figures. An interrupted run goes on where it stopped (`eval.resume`).

    Args:
        dataset_dir: BEIR folder.
        split: name of the file in `qrels/`.
        out: folder of the run.
        embedder: of corpus and queries.
        search: which legs, and how.
        metrics: ndcg@K, recall@K, precision@K, mrr@K with K up to 100, or map.
        options: stamp, seed, progress, cache of indexed corpora.

    Raises:
        DocumentError: the folder is not in BEIR layout, or a line of it is wrong.
        UserError: an unknown mode or metric, or a weight outside [0, 1]; or a model in use was trained on a query
            (`eval.leakage`).
    """
    options, search, out = options or RunOptions(), search or SearchOptions(), Path(out)
    metrics = check_metrics(metrics)
    modes = _modes(search, options)
    data = load_retrieval(dataset_dir, split)
    memory = guard(questions_of(data.queries), options)
    check_folder(out)
    start = time.perf_counter()
    with indexed(data, embedder, options) as collection:
        index_seconds = round(time.perf_counter() - start, 3)
        collection.dense_weight = search.dense_weight
        legs = {name: search.over(collection, name) for name in modes}
        kept = _ranked(data, legs, out, _key(data, embedder, search, options), options)
    seconds = {name: [row["seconds"] for row in found.values() if not row["error"]] for name, found in kept.items()}
    timings = {f"{name}_seconds": percentiles(taken) for name, taken in seconds.items()}
    rankings = {name: {query: row.get("retrieved", []) for query, row in found.items()} for name, found in kept.items()}
    scores = {name: _scores(data, kept[name], found, metrics) for name, found in rankings.items()}
    rows = list(_rows(data, kept[search.mode], scores, search.mode))
    results = {
        **_summary(data, rows, scores, search, options),
        "memorisation": memory,
        "curves": _curves(data, kept[search.mode], rankings[search.mode], options),
        "timings": {"index_seconds": index_seconds, "seconds": timings[f"{search.mode}_seconds"], **timings},
        **stamp(options),
    }
    results["notes"] += guard_notes(memory)
    write_lines(out / "per_example.jsonl", rows)
    write_report(out / "report.html", results, rows)
    write_json(out / "results.json", results)
    return results


def _modes(search: SearchOptions, options: RunOptions) -> list[str]:
    """The chosen mode and the others to measure."""
    modes = list(dict.fromkeys((search.mode, *options.other_modes)))
    for name in modes:
        if name not in MODES:
            raise UserError(f"mode must be one of {', '.join(MODES)}, got {name!r}.")
    weight = search.dense_weight
    if weight is not None and not 0 <= weight <= 1:
        raise UserError(f"dense_weight must be from 0 to 1, got {weight}. Leave it out for the measured one.")
    return modes


def ranked(search: Retriever, query: Query) -> dict[str, Any]:
    """Return {"retrieved": ids of the records found, best first and once each, "passages": the first few as text}."""
    where = None if query.candidates is None else {"record": query.candidates}
    found: dict[str, Passage] = {}
    for passage in search.retrieve(query.text, DEPTH, where=where):
        found.setdefault(str(passage.metadata["record"]), passage)
    shown = [
        {"rank": rank, "source": record, "title": passage.title, "text": _body(passage)[:300]}
        for rank, (record, passage) in enumerate(islice(found.items(), SHOWN), 1)
    ]
    return {"retrieved": list(found), "passages": shown}


def _body(passage: Passage) -> str:
    return passage.chunk.text.removeprefix(f"{passage.title}\n") if passage.title else passage.chunk.text


def _key(data: RetrievalSet, embedder: Embedder, search: SearchOptions, options: RunOptions) -> dict[str, str]:
    """What a ranking depends on. Settings without a hash resume nothing."""
    from rag.embed import identity

    made = identity(embedder)
    legs = f"fetch_k={search.fetch_k} dense_weight={search.dense_weight}"
    told = {"dataset": data.hash, "split": data.split, "embedder": f"{made.id} {made.weight_hash}", "search": legs}
    return {**told, "settings_hash": options.settings_hash}


def _ranked(
    data: RetrievalSet, legs: Mapping[str, Retriever], out: Path, key: Mapping[str, str], options: RunOptions
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return {mode: {query: what was found}}, mode by mode."""
    pairs = [(mode, query) for mode in legs for query in data.queries]
    done = each(
        out,
        pairs,
        lambda pair: ranked(legs[pair[0]], pair[1]),
        id_of=lambda pair: f"{pair[0]}/{pair[1].id}",
        key=key,
        options=options,
        what="search",
    )
    return {mode: {query.id: done[f"{mode}/{query.id}"] for query in data.queries} for mode in legs}


def _rows(
    data: RetrievalSet, kept: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Any], mode: str
) -> Iterable[dict[str, Any]]:
    for query in data.queries:
        judged, found = data.qrels[query.id], kept[query.id]
        yield {
            "id": query.id,
            "question": query.text,
            "language": detect_language(query.text),
            "relevant": {record: grade for record, grade in judged.items() if grade > 0},
            "retrieved": found.get("retrieved", [])[:10],
            "passages": found.get("passages", []),
            "seconds": found["seconds"],
            "error": found["error"],
            "scores": scores[mode][query.id],
            "modes": {name: table[query.id] for name, table in scores.items()},
        }


def _summary(
    data: RetrievalSet,
    rows: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any],
    search: SearchOptions,
    options: RunOptions,
) -> dict[str, Any]:
    troubles = failed(rows, "They score 0.")
    modes = {name: _measured(found.values(), options) for name, found in scores.items()}
    languages = sorted({row["language"] for row in rows})
    spoken = {name: [row["scores"] for row in rows if row["language"] == name] for name in languages}
    return {
        "kind": "retrieval",
        "metrics": modes[search.mode],
        "by_language": {name: _measured(found, options) for name, found in spoken.items()},
        "definitions": definitions(list(modes[search.mode])),
        "mode": search.mode,
        "modes": modes,
        "fetch_k": search.fetch_k,
        "dense_weight": search.dense_weight,
        "per_example": "per_example.jsonl",
        "predictions": "predictions.jsonl",
        "n": len(rows),
        **troubles,
        "notes": [*troubles["notes"], *_dropped_notes(data)],
        "dataset": {
            "name": data.name,
            "split": data.split,
            "hash": data.hash,
            "documents": len(data.corpus),
            "queries": len(rows),
            "judgements": sum(len(grades) for grades in data.qrels.values()),
            "dropped": dict(data.dropped),
            "unknown": list(data.unknown),
        },
    }


def _curves(
    data: RetrievalSet, kept: Mapping[str, Mapping[str, Any]], rankings: Mapping[str, Any], options: RunOptions
) -> dict[str, Any]:
    whole = all(row["error"] for row in kept.values())
    return {} if whole else {"recall": recall_curve(data.qrels, rankings, options)}


def _scores(
    data: RetrievalSet, kept: Mapping[str, Mapping[str, Any]], rankings: Mapping[str, Any], metrics: Sequence[str]
) -> dict[str, Any]:
    """A search that failed scores 0; where every one failed, nothing was measured."""
    if all(row["error"] for row in kept.values()):
        return {query: dict.fromkeys(metrics) for query in kept}
    return dict(scores_of(data.qrels, rankings, metrics))


def _dropped_notes(data: RetrievalSet) -> list[str]:
    told = [f"{name.replace('_', ' ')}: {number}" for name, number in data.dropped.items() if number]
    first = f" First: {data.unknown[0]}." if data.unknown else ""
    return [f"Judgements that could not be used: {', '.join(told)}.{first}"] if told else []


def _measured(rows: Iterable[Mapping[str, float | None]], options: RunOptions) -> dict[str, Any]:
    rows = list(rows)
    table = {name: [row[name] for row in rows] for name in rows[0]}
    return estimates(table, seed=options.seed, resamples=options.resamples)
