"""Our own question format, one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from eval.examples import Context, Example, title_of
from eval.lines import Ids, Row, shown
from rag.language import detect_language
from rag.schema import Message

_SPEAKERS: Final = dict.fromkeys(("user", "human"), "user") | dict.fromkeys(
    ("agent", "assistant", "ai", "bot"), "assistant"
)
_PLACED: Final = frozenset(
    ("id", "question", "references", "answerable", "contexts", "history", "gold_passages", "exact_answer")
)


def examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read {"id", "question", "references", "answerable", "contexts"?, "history"?, "gold_passages"?, …}."""
    question = row.string("question")
    before = len(row.faults)
    references = tuple(text for text in row.strings("references") if text.strip())
    unread = len(row.faults) > before
    yield Example(
        id=ids.take(row, "id"),
        question=question,
        references=references,
        answerable=unread or answerable(row, references),
        contexts=None if row.value.get("contexts") is None else _contexts(row),
        history=history(row, "history"),
        gold_passages=row.strings("gold_passages"),
        language=row.string("language", "") or detect_language(question),
        domain=row.string("domain", "") or "general",
        answer_type=row.string("answer_type", "") or "free",
        exact=tuple(_flat(row.value.get("exact_answer"))),
        scale=row.string("scale", ""),
        extra={name: item for name, item in row.value.items() if name not in _PLACED},
    )


def answerable(row: Row, references: tuple[str, ...]) -> bool:
    """Return whether a question can be answered: what the record says, or true where it gives a reference."""
    got = row.value.get("answerable", True if references else None)
    if not isinstance(got, bool):
        row.fault(f"without references 'answerable' must be true or false, got {shown(got)}.")
    elif got and not references:
        row.fault("'answerable' is true but 'references' is empty. Give one, or set it to false.")
    return bool(got)


def history(row: Row, key: str) -> tuple[Message, ...]:
    """Return earlier turns: messages, [speaker, text] pairs, or bare strings (questions of the user)."""
    got = row.value.get(key) or []
    if not isinstance(got, list):
        row.fault(f"field {key!r} must be a list, got {shown(got)}.")
        return ()
    turns: list[Message] = []
    for turn in got:
        pair = _turn(turn)
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            speaker = _SPEAKERS.get(pair[0])
            if speaker:
                turns.append({"role": speaker, "content": pair[1]})
                continue
        row.fault(f"a turn of {key!r} is [speaker, text], got {shown(turn)}. Speakers: {', '.join(_SPEAKERS)}.")
    return tuple(turns)


def _turn(turn: object) -> object:
    if isinstance(turn, str):
        return ["user", turn]
    return [turn.get("role") or turn.get("type"), turn.get("content")] if isinstance(turn, dict) else turn


def _contexts(row: Row) -> tuple[Context, ...]:
    company, ids, found = row.string("company", ""), Ids(), []
    for number, item in enumerate(row.rows("contexts")):
        key = ids.note(item, item.string("id", str(number)))
        title = item.string("title", "") or title_of(key)
        named = company if company and company.casefold() not in title.casefold() else ""
        page = item.value.get("page")
        if page is not None and (not isinstance(page, int) or page < 1):
            item.fault(f"field 'page' must be a whole number from 1, got {shown(page)}.")
            page = None
        found.append(Context(key, item.string("text"), " ".join(filter(None, (named, title))), page))
    return tuple(found)


def _flat(got: object) -> Iterator[str]:
    """The short answers, from whatever nesting of synonyms a set uses."""
    if isinstance(got, list):
        for item in got:
            yield from _flat(item)
    elif got is not None and str(got).strip():
        yield str(got)
