"""SQuAD 1.1 and 2.0 (articles, paragraphs, questions) and CMRC 2018 in its own shape and in SQuAD's."""

from __future__ import annotations

from collections.abc import Iterator

from eval.examples import Context, Example
from eval.lines import Ids, Row
from rag.language import detect_language


def examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read an article: {"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers", …}]}]}."""
    title = row.string("title", "")
    for number, paragraph in enumerate(row.rows("paragraphs")):
        key = paragraph.string("id", "") or f"{title or row.where.rpartition(': ')[2]}-{number}"
        context = Context(key, paragraph.filled("context"), title)
        for asked in paragraph.rows("qas"):
            yield _example(asked, ids.take(asked, "id"), asked.string("question"), context)


def cmrc_examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read a paragraph: {"context_id", "context_text", "title", "qas": [{"query_id", "query_text", "answers"}]}."""
    context = Context(row.filled("context_id"), row.filled("context_text"), row.string("title", ""))
    for asked in row.rows("qas"):
        yield _example(asked, ids.take(asked, "query_id"), asked.string("query_text"), context)


def _example(row: Row, key: str, question: str, context: Context) -> Example:
    got = row.value.get("answers", [])
    spans = isinstance(got, list) and got and all(isinstance(item, dict) for item in got)
    texts = [item.string("text") for item in row.rows("answers")] if spans else row.strings("answers")
    references = tuple(dict.fromkeys(text for text in texts if text.strip()))
    impossible = row.flag("is_impossible", False)
    if not impossible and not references:
        row.fault("no answer, and 'is_impossible' is not true. Give an answer, or set it.")
    if impossible and references:
        row.fault("'is_impossible' is true, but there is an answer. Take one of the two out.")
    placed = {"id", "query_id", "question", "query_text", "answers", "is_impossible"}
    return Example(
        id=key,
        question=question,
        references=references,
        answerable=not impossible,
        contexts=(context,),
        gold_passages=() if impossible else (context.id,),
        language=detect_language(question),
        answer_type="span",
        extra={name: item for name, item in row.value.items() if name not in placed},
    )
