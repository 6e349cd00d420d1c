"""Retrieval sets: folders in BEIR layout, plain or gzipped; all faults of a folder are told at once."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.lines import SHOWN, Faults, Ids, Row, objects, text_lines
from rag.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Record:
    """One unit of a retrieval corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """One judged query. `candidates` given: only these records compete."""

    id: str
    text: str
    candidates: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """A BEIR folder and one of its splits: only queries that have at least one relevant record of the corpus.

    `qrels[query][record]` is the grade, 0 = judged and not relevant. `dropped` counts what could not be used:
    judgements that name an unknown query or record, and queries left without a relevant record; `unknown` says where
    the first of them stand (file:line).
    """

    name: str
    split: str
    corpus: tuple[Record, ...]
    queries: tuple[Query, ...]
    qrels: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]
    unknown: tuple[str, ...] = ()

    @property
    def corpus_hash(self) -> str:
        """32 hex digits over ids, titles and texts of the corpus, in order."""
        digest = hashlib.sha256()
        for record in self.corpus:
            digest.update(json.dumps([record.id, record.title, record.text]).encode())
        return digest.hexdigest()[:32]

    @property
    def hash(self) -> str:
        """32 hex digits over everything that can change a score."""
        rest = [[[q.id, q.text, q.candidates] for q in self.queries], {k: dict(v) for k, v in self.qrels.items()}]
        return hashlib.sha256((self.corpus_hash + json.dumps(rest, sort_keys=True)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Judgement:
    query: str
    record: str
    grade: int
    where: str


def load_retrieval(folder: Path | str, split: str = "test") -> RetrievalSet:
    """Read `corpus.jsonl[.gz]`, `queries.jsonl[.gz]` and `qrels/SPLIT.tsv` of a BEIR folder.

    Raises:
        DocumentError: a file is missing, or lines are wrong; names file and line of each.
    """
    folder = Path(folder)
    path = folder / "qrels" / f"{split}.tsv"
    faults = Faults()
    corpus_file, queries_file = _find(folder, "corpus"), _find(folder, "queries")
    if not path.is_file():
        known = sorted(p.stem for p in (folder / "qrels").glob("*.tsv"))
        raise DocumentError(f"{path} does not exist. Splits of {folder.name}: {', '.join(known) or 'none'}.")
    corpus = tuple(_records(corpus_file, faults))
    queries = list(_queries(queries_file, faults))
    judged = list(_qrels(path, faults))
    faults.raise_any()
    ids, asked = {record.id for record in corpus}, {query.id for query in queries}
    qrels: dict[str, dict[str, int]] = {}
    unknown: list[str] = []
    dropped = {"unknown_queries": 0, "unknown_documents": 0, "queries_without_relevant": 0}
    strange: set[str] = set()
    for one in judged:
        if one.query not in asked:
            strange.add(one.query)
            unknown.append(f"{one.where}: no query {one.query!r} in {queries_file.name}")
        elif one.record not in ids:
            dropped["unknown_documents"] += 1
            unknown.append(f"{one.where}: no record {one.record!r} in {corpus_file.name}")
            qrels.setdefault(one.query, {})
        else:
            qrels.setdefault(one.query, {})[one.record] = one.grade
    kept = {query: grades for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    dropped |= {"unknown_queries": len(strange), "queries_without_relevant": len(qrels) - len(kept)}
    if not kept:
        first = f" First: {unknown[0]}." if unknown else ""
        raise DocumentError(f"{path} judges no query relevant to any record of the corpus: nothing to measure.{first}")
    wanted = tuple(query for query in queries if query.id in kept)
    return RetrievalSet(folder.resolve().name, split, corpus, wanted, kept, dropped, tuple(unknown[:SHOWN]))


def _find(folder: Path, stem: str) -> Path:
    for name in (f"{stem}.jsonl", f"{stem}.jsonl.gz"):
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DocumentError(f"{folder} {what}. Give a folder in BEIR layout.")
    raise DocumentError(f"{folder} has neither {stem}.jsonl nor {stem}.jsonl.gz. Give a folder in BEIR layout.")


def _records(path: Path, faults: Faults) -> Iterator[Record]:
    ids = Ids()
    for line, value in objects(path, faults):
        row = Row(value, f"{path}:{line}", faults)
        yield Record(ids.take(row, "_id"), row.string("title", ""), row.string("text"))


def _queries(path: Path, faults: Faults) -> Iterator[Query]:
    ids = Ids()
    for line, value in objects(path, faults):
        row = Row(value, f"{path}:{line}", faults)
        limited = None if value.get("candidates") is None else row.strings("candidates")
        yield Query(ids.take(row, "_id"), row.filled("text"), limited)


def _qrels(path: Path, faults: Faults) -> Iterator[_Judgement]:
    seen: dict[tuple[str, str], int] = {}
    for line, text in text_lines(path):
        where = f"{path}:{line}"
        fields = [part.strip() for part in text.split("\t")]
        if not text:
            continue
        if len(fields) != 3:
            faults.add(where, f"want query-id, corpus-id and score between tabs, got {text!r:.80}.")
            continue
        query, record, score = fields
        grade = _grade(score)
        if grade is None:
            if line > 1 or not _is_header(score):
                faults.add(where, f"score must be a whole number, got {score!r}.")
            continue
        before = seen.setdefault((query, record), grade)
        if before != grade:
            faults.add(where, f"{query!r} and {record!r} are judged twice, {before} and {grade}. Keep one.")
        yield _Judgement(query, record, grade, where)


def _grade(score: str) -> int | None:
    try:
        number = float(score)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def _is_header(score: str) -> bool:
    """Tell whether the third field of the first line is a column's name: no number, and none of its failures."""
    try:
        float(score)
    except ValueError:
        return True
    return False
