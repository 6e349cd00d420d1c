"""Reading data sets: BEIR folders for retrieval, JSON lines for answers; plain or gzipped, bad input told by line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.lines import objects, shown, string, strings, text_lines, unique
from rag.errors import DocumentError
from rag.language import detect_language
from rag.schema import Chunk, Document, Message, Passage

_SPEAKERS = {"user": "user", "human": "user", "agent": "assistant", "assistant": "assistant", "bot": "assistant"}


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
    judgements that name an unknown query or record, and queries left without a relevant record.
    """

    name: str
    split: str
    corpus: tuple[Record, ...]
    queries: tuple[Query, ...]
    qrels: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]

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
class Context:
    """A text that a question is to be answered from."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """One question. `contexts` None: answered from a collection; a tuple (even empty): from these texts alone.

    `exact` is the short answer where the set has one, `scale` the word or sentence a reference number is in.
    """

    id: str
    question: str
    references: tuple[str, ...]
    answerable: bool
    contexts: tuple[Context, ...] | None = None
    history: tuple[Message, ...] = ()
    gold_passages: tuple[str, ...] = ()
    language: str = "en"
    domain: str = "general"
    answer_type: str = "free"
    exact: tuple[str, ...] = ()
    scale: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def passages_of(contexts: Sequence[Context]) -> list[Passage]:
    """Return given texts as passages in their order, each the one chunk of a document of its own.

    Source is the context's id. All scores are 1: nothing searched for them, so nothing ranks them.
    """
    passages = []
    for rank, context in enumerate(contexts, 1):
        document = Document.of(context.text, context.id, language=detect_language(context.text))
        chunk = Chunk.of(document, 0, len(context.text))
        passages.append(Passage(chunk, 1.0, rank, "given", source=context.id, metadata={"context": context.id}))
    return passages


def load_retrieval(folder: Path | str, split: str = "test") -> RetrievalSet:
    """Read `corpus.jsonl[.gz]`, `queries.jsonl[.gz]` and `qrels/SPLIT.tsv` of a BEIR folder.

    Raises:
        DocumentError: a file is missing or a line of it is wrong; names file and line.
    """
    folder = Path(folder)
    corpus = tuple(_records(_find(folder, "corpus")))
    queries = list(_queries(_find(folder, "queries")))
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        known = sorted(p.stem for p in (folder / "qrels").glob("*.tsv"))
        raise DocumentError(f"{path} does not exist. Splits of {folder.name}: {', '.join(known) or 'none'}.")
    judged = _qrels(path)
    dropped = {"unknown_queries": 0, "unknown_documents": 0, "queries_without_relevant": 0}
    ids, asked = {record.id for record in corpus}, {query.id for query in queries}
    qrels: dict[str, dict[str, int]] = {}
    for query_id, grades in judged.items():
        kept = {record: grade for record, grade in grades.items() if record in ids}
        dropped["unknown_documents"] += len(grades) - len(kept)
        if query_id not in asked:
            dropped["unknown_queries"] += 1
        elif not any(grade > 0 for grade in kept.values()):
            dropped["queries_without_relevant"] += 1
        else:
            qrels[query_id] = kept
    if not qrels:
        raise DocumentError(f"{path} judges no query relevant to any record of the corpus: nothing to measure.")
    wanted = tuple(query for query in queries if query.id in qrels)
    return RetrievalSet(folder.resolve().name, split, corpus, wanted, qrels, dropped)


def load_answers(file: Path | str) -> list[Example]:
    """Read an answers file: {"id","question","references","answerable","contexts"?: [{"id","text"}], …} a line.

    Raises:
        DocumentError: the file is missing or empty; a field is missing, of the wrong type or contradicts another; an
            id occurs twice. Names file and line.
    """
    path = Path(file)
    if not path.is_file():
        raise DocumentError(f"{path} does not exist. Give a .jsonl or .jsonl.gz file of questions.")
    seen: dict[str, int] = {}
    examples = [_example(value, f"{path}:{line}", seen, line) for line, value in objects(path)]
    if not examples:
        raise DocumentError(f"{path} holds no question. Give one JSON object a line.")
    return examples


def _find(folder: Path, stem: str) -> Path:
    for name in (f"{stem}.jsonl", f"{stem}.jsonl.gz"):
        if (folder / name).is_file():
            return folder / name
    raise DocumentError(f"{folder} has neither {stem}.jsonl nor {stem}.jsonl.gz. Give a folder in BEIR layout.")


def _records(path: Path) -> Iterator[Record]:
    seen: dict[str, int] = {}
    for line, value in objects(path):
        where = f"{path}:{line}"
        key = unique(string(value, "_id", where), where, seen, line)
        yield Record(key, string(value, "title", where, "") if value.get("title") else "", string(value, "text", where))


def _queries(path: Path) -> Iterator[Query]:
    seen: dict[str, int] = {}
    for line, value in objects(path):
        where = f"{path}:{line}"
        key = unique(string(value, "_id", where), where, seen, line)
        candidates = value.get("candidates")
        limited = None if candidates is None else strings(candidates, "candidates", where)
        yield Query(key, string(value, "text", where), limited)


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for line, text in text_lines(path):
        if not text:
            continue
        fields = text.split("\t")
        where = f"{path}:{line}"
        if len(fields) != 3:
            raise DocumentError(f"{where}: want query-id, corpus-id and score between tabs, got {text!r:.80}.")
        query, record, score = (part.strip() for part in fields)
        try:
            number = float(score)
            grade = int(number)
        except (ValueError, OverflowError) as error:
            if line == 1 and score.lower() not in ("nan", "inf", "-inf"):
                continue  # a header
            raise DocumentError(f"{where}: score must be a whole number, got {score!r}.") from error
        if grade != number:
            raise DocumentError(f"{where}: score must be a whole number, got {score!r}.")
        before = judged.setdefault(query, {}).setdefault(record, grade)
        if before != grade:
            raise DocumentError(f"{where}: {query!r} and {record!r} are judged twice, {before} and {grade}. Keep one.")
    return judged


def _example(value: dict[str, Any], where: str, seen: dict[str, int], line: int) -> Example:
    key = unique(string(value, "id", where), where, seen, line)
    question = string(value, "question", where)
    references = tuple(text for text in strings(value.get("references", []), "references", where) if text.strip())
    answerable = value.get("answerable", True if references else None)
    if not isinstance(answerable, bool):
        got = shown(answerable)
        raise DocumentError(f"{where}: without references 'answerable' must be true or false, got {got}.")
    if answerable and not references:
        raise DocumentError(f"{where}: 'answerable' is true but 'references' is empty. Give one, or set it to false.")
    contexts = value.get("contexts")
    known = {"id", "question", "references", "answerable", "contexts", "history", "gold_passages", "exact_answer"}
    return Example(
        id=key,
        question=question,
        references=references,
        answerable=answerable,
        contexts=None if contexts is None else _contexts(contexts, where),
        history=_history(value.get("history") or [], where),
        gold_passages=strings(value.get("gold_passages") or [], "gold_passages", where),
        language=str(value.get("language") or detect_language(question)),
        domain=str(value.get("domain") or "general"),
        answer_type=str(value.get("answer_type") or "free"),
        exact=tuple(_flat(value.get("exact_answer"))),
        scale=str(value.get("scale") or ""),
        extra={name: item for name, item in value.items() if name not in known},
    )


def _contexts(got: object, where: str) -> tuple[Context, ...]:
    if not isinstance(got, list) or not all(isinstance(item, dict) for item in got):
        raise DocumentError(f'{where}: field \'contexts\' must be a list of {{"id","text"}}, got {shown(got)}.')
    return tuple(Context(string(c, "id", where, str(i)), string(c, "text", where)) for i, c in enumerate(got))


def _flat(got: object) -> Iterator[str]:
    """The short answers, from whatever nesting of synonyms a set uses."""
    if isinstance(got, list):
        for item in got:
            yield from _flat(item)
    elif got is not None and str(got).strip():
        yield str(got)


def _history(got: object, where: str) -> tuple[Message, ...]:
    """Earlier turns: messages, [speaker, text] pairs, or bare strings (questions of the user)."""
    if not isinstance(got, list):
        raise DocumentError(f"{where}: field 'history' must be a list, got {shown(got)}.")
    turns: list[Message] = []
    for turn in got:
        pair = [turn.get("role"), turn.get("content")] if isinstance(turn, dict) else turn
        pair = ["user", pair] if isinstance(pair, str) else pair
        good = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        if not good or pair[0] not in _SPEAKERS:
            raise DocumentError(f"{where}: a turn of 'history' is [speaker, text], got {shown(turn)}.")
        turns.append({"role": _SPEAKERS[pair[0]], "content": str(pair[1])})
    return tuple(turns)
