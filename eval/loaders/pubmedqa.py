"""PubMedQA as its authors publish it (`ori_pqal.json`): PMID -> question, abstract, conclusion and yes/no/maybe."""

from __future__ import annotations

from collections.abc import Iterator

from eval.examples import Context, Example
from eval.lines import Ids, Row, shown

_DECISIONS = ("yes", "no", "maybe")


def examples(row: Row, ids: Ids) -> Iterator[Example]:
    """Read {"QUESTION", "CONTEXTS", "LABELS", "LONG_ANSWER", "final_decision", "YEAR", "MESHES", …} under a PMID.

    The reference is the conclusion (LONG_ANSWER), the short answer the decision; the unlabelled part has none.
    """
    key = ids.take(row, "PMID")
    texts, labels = row.strings("CONTEXTS"), row.strings("LABELS")
    if labels and len(labels) != len(texts):
        row.fault(f"{len(texts)} 'CONTEXTS' but {len(labels)} 'LABELS'; want a label each, or none.")
        labels = ()
    decision = row.string("final_decision", "")
    if decision and decision not in _DECISIONS:
        row.fault(f"field 'final_decision' must be yes, no or maybe, got {shown(decision)}.")
    titles = [label.capitalize() for label in labels] or [""] * len(texts)
    contexts = tuple(
        Context(f"{key}-{i}", text, title) for i, (text, title) in enumerate(zip(texts, titles, strict=True))
    )
    placed = {"PMID", "QUESTION", "CONTEXTS", "LABELS", "LONG_ANSWER", "final_decision"}
    yield Example(
        id=key,
        question=row.string("QUESTION"),
        references=(row.filled("LONG_ANSWER"),),
        answerable=True,
        contexts=contexts,
        gold_passages=tuple(context.id for context in contexts),
        domain="medical",
        answer_type="yesno",
        exact=(decision,) if decision else (),
        extra={name: item for name, item in row.value.items() if name not in placed},
    )
