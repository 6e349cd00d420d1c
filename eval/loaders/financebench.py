"""FinanceBench as its authors publish it: a question on a filing, its answer, and the pages that carry it."""

from __future__ import annotations

from collections.abc import Iterator

from eval.examples import Context, Example
from eval.lines import Ids, Row, shown
from rag.language import detect_language


def examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read {"financebench_id", "question", "answer", "company", "doc_name", "question_type", "evidence": […], …}.

    A context is a page: its whole text where the record has it, else its pieces of evidence. Its id is
    `DOC_NAME#pPAGE` with the page counted from 0 as in the file; `Context.page` counts from 1.
    """
    key, question, company = ids.take(row, "financebench_id"), row.string("question"), row.string("company", "")
    pages: dict[str, Context] = {}
    for piece in row.rows("evidence"):
        context = _page(row, piece, company)
        before = pages.get(context.id)
        if before and context.text not in before.text:
            context = Context(context.id, f"{before.text}\n{context.text}", context.title, context.page)
        elif before:
            context = before
        pages[context.id] = context
    placed = {"financebench_id", "question", "answer", "evidence"}
    yield Example(
        id=key,
        question=question,
        references=(row.filled("answer"),),
        answerable=True,
        contexts=tuple(pages.values()),
        gold_passages=tuple(pages),
        language=detect_language(question),
        domain="financial",
        answer_type="number" if row.value.get("question_type") == "metrics-generated" else "free",
        extra={name: item for name, item in row.value.items() if name not in placed},
    )


def _page(row: Row, piece: Row, company: str) -> Context:
    name = piece.string("doc_name", "") or piece.string("evidence_doc_name", "") or row.string("doc_name", "")
    number = piece.value.get("evidence_page_num")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        piece.fault(f"field 'evidence_page_num' must be a whole number from 0, got {shown(number)}.")
        number = None
    if not name:
        piece.fault("neither the evidence nor the record has a 'doc_name'.")
    text = piece.string("evidence_text_full_page", "") or piece.filled("evidence_text")
    title = name.replace("_", " ")
    named = company if company.casefold() not in title.casefold() else ""
    page = None if number is None else number + 1
    return Context(name if number is None else f"{name}#p{number}", text, f"{named} {title}".strip(), page)
