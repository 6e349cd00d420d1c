"""TAT-QA as its authors publish it: a table, the paragraphs around it, and questions over both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from eval.examples import Context, Example
from eval.lines import Ids, Row, shown
from ingest.parsers.grid import Grid
from ingest.parsers.table import write_table
from rag.language import detect_language

_TYPES: Final = {"span": "span", "multi-span": "list", "spans": "list"} | dict.fromkeys(
    ("arithmetic", "count", "counting"), "number"
)
_SCALES: Final = ("", "thousand", "million", "billion", "percent")


def examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read {"table": {"uid", "table"}, "paragraphs": [{"order", "text"}], "questions": [{"uid", "question", …}]}.

    The table is written out as ingestion writes tables, one self-describing line a row. The spans of a list stand in
    one reference, parted by "; ", and each of them in `exact`. A question without an answer (the blind test file) is
    at fault.
    """
    table = row.row("table")
    key = table.filled("uid")
    contexts = {"table": Context(f"{key}-table", _written(table))}
    for paragraph in row.rows("paragraphs"):
        order = paragraph.string("order")
        contexts[order] = Context(f"{key}-p{order}", paragraph.filled("text"))
    for asked in row.rows("questions"):
        yield _example(asked, ids, contexts)


def _example(row: Row, ids: Ids, contexts: dict[str, Context]) -> Example:
    kind, scale, question = row.string("answer_type"), row.string("scale", ""), row.string("question")
    if kind not in _TYPES:
        row.fault(f"field 'answer_type' must be one of {', '.join(_TYPES)}, got {shown(kind)}.")
    if scale not in _SCALES:
        row.fault(f"field 'scale' must be one of {', '.join(filter(None, _SCALES))} or empty, got {shown(scale)}.")
    answers = tuple(text for text in _answers(row) if text.strip())
    if not answers:
        row.fault("field 'answer' is empty. Every question of this format has an answer.")
    source = row.string("answer_from", "")
    places = [*(["table"] if "table" in source else []), *(row.strings("rel_paragraphs") if "text" in source else ())]
    placed = {"uid", "question", "answer", "answer_type", "scale"}
    return Example(
        id=ids.take(row, "uid"),
        question=question,
        references=("; ".join(answers),) if answers else (),
        answerable=True,
        contexts=tuple(contexts.values()),
        gold_passages=tuple(contexts[place].id for place in places if place in contexts),
        language=detect_language(question),
        domain="financial",
        answer_type=_TYPES.get(kind, "free"),
        exact=answers,
        scale=scale,
        extra={name: item for name, item in row.value.items() if name not in placed},
    )


def _answers(row: Row) -> tuple[str, ...]:
    got = row.value.get("answer")
    if isinstance(got, int | float) and not isinstance(got, bool):
        return (f"{got:g}" if abs(got) < 1e6 and f"{got:g}" == str(got) else str(got),)
    return row.strings("answer")


def _written(table: Row) -> str:
    """The table in lines `LABEL | COLUMN: VALUE`, with its scale where the table says it."""
    grid = table.value.get("table")
    if not isinstance(grid, list) or not all(isinstance(line, list) for line in grid):
        table.fault(f"field 'table' must be a list of rows, got {shown(grid)}.")
        return ""
    written = write_table(Grid([[str(cell) for cell in line] for line in grid]), 0)
    return written.text.strip() if written else "\n".join(" | ".join(map(str, line)) for line in grid)
