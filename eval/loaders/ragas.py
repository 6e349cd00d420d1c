"""Rows of question, reference and contexts, under the names RAGAS and the sets on the Hugging Face hub give them.

RAGAS: `user_input`, `reference`, `retrieved_contexts`, `reference_contexts` (samples of one turn and of several), and
its older `question`, `ground_truth(s)`, `contexts`, `answer`. SQuAD and PubMedQA rows as the hub serves them fit too.
`response`, and `answer` beside a ground truth, are somebody's predictions: kept in `extra`, never a reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from eval.examples import Context, Example
from eval.lines import Ids, Row, shown
from eval.loaders.consilium import answerable, history
from rag.language import detect_language

_QUESTION: Final = ("user_input", "question", "query")
_REFERENCE: Final = ("reference", "ground_truth", "ground_truths", "references", "answers", "long_answer", "answer")
_CONTEXTS: Final = ("retrieved_contexts", "contexts", "context", "reference_contexts")
_ID: Final = ("id", "question_id", "_id", "pubid")
_TEXT: Final = ("text", "content", "page_content")


def shows(value: Mapping[str, Any]) -> bool:
    """Tell whether a record has a question and a reference or contexts under one of these names."""
    return any(key in value for key in _QUESTION) and any(key in value for key in (*_REFERENCE, *_CONTEXTS))


def examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read a row; without an id of its own it is called by its number."""
    named = _first(row, _ID)
    key = ids.take(row, named) if named else ids.note(row, f"row-{len(ids) + 1}")
    turns, question = _asked(row)
    field = _first(row, _REFERENCE)
    before = len(row.faults)
    references = tuple(dict.fromkeys(text for text in _references(row, field) if text.strip()))
    unread = len(row.faults) > before
    contexts = _contexts(row, _first(row, _CONTEXTS))
    gold = {context.text for context in _contexts(row, _first(row, ("reference_contexts",))) or ()}
    decision = row.string("final_decision", "")
    used = {named, field, *_QUESTION, *_CONTEXTS}
    extra = {name: item for name, item in row.value.items() if name not in used}
    if field != "answer" and "answer" in extra:
        extra["response"] = extra.pop("answer")
    yield Example(
        id=key,
        question=question,
        references=references,
        answerable=unread or _answerable(row, field, references),
        contexts=contexts,
        history=turns,
        gold_passages=tuple(context.id for context in contexts or () if context.text in gold),
        language=row.string("language", "") or detect_language(question),
        domain=row.string("domain", "") or "general",
        answer_type=row.string("answer_type", "") or ("yesno" if decision else "free"),
        exact=(decision,) if decision else (),
        scale=row.string("scale", ""),
        extra=extra,
    )


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((name for name in names if row.value.get(name) is not None), "")


def _asked(row: Row) -> tuple[tuple[Mapping[str, str], ...], str]:
    """Return earlier turns and the question; of a conversation the user's last turn is the question."""
    name = _first(row, _QUESTION) or "user_input"
    if not isinstance(row.value.get(name), list):
        return (), row.string(name)
    turns = history(row, name)
    last = max((i for i, turn in enumerate(turns) if turn["role"] == "user"), default=-1)
    if last < 0:
        row.fault(f"field {name!r} holds no turn of a user.")
        return (), ""
    return turns[:last], turns[last]["content"]


def _references(row: Row, name: str) -> tuple[str, ...]:
    """Strings, a list of strings, a list of {"text"}, or {"text": [...]}."""
    got = row.value.get(name)
    if isinstance(got, dict):
        return Row(got, row.where, row.faults).strings("text")
    if isinstance(got, list) and got and all(isinstance(item, dict) for item in got):
        return tuple(item.string("text") for item in row.rows(name))
    return row.strings(name)


def _answerable(row: Row, name: str, references: tuple[str, ...]) -> bool:
    """What the record says; SQuAD 2.0 on the hub says it by answers with an empty list of texts."""
    if "is_impossible" in row.value:
        return not row.flag("is_impossible", False)
    if not references and "answerable" not in row.value and isinstance(row.value.get(name), dict):
        return False
    return answerable(row, references)


def _contexts(row: Row, name: str) -> tuple[Context, ...] | None:
    got = row.value.get(name)
    if got is None:
        return None
    title = row.string("title", "")
    got = got.get("contexts") if isinstance(got, dict) else got
    found = []
    for number, item in enumerate([got] if isinstance(got, str) else got if isinstance(got, list) else [got]):
        key, label, text = f"c{number}", title, item
        if isinstance(item, dict):
            text = next((item[field] for field in _TEXT if field in item), None)
            key, label = str(item.get("id", key)), str(item.get("title") or title)
        if isinstance(text, str):
            found.append(Context(key, text, label))
        else:
            row.fault(f"field {name!r} must be a list of texts or of {{'id', 'text'}}, got {shown(item)}.")
    return tuple(found)
