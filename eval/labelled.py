"""Sets that people labelled: is a response carried by its context, is a claim carried by its evidence?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.lines import Faults, Ids, Row, objects, shown
from eval.loaders.ragtruth import is_ragtruth, ragtruth
from rag.errors import DocumentError
from rag.language import detect_language
from rag.schema import content_id

LABELS = ("faithful", "hallucinated")
CLAIM_LABELS = ("supported", "contradicted", "not_enough_info", "not_supported")
_GROUPS = ("group", "source_id", "doc_id")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One response with the label a person gave it.

    `gold` is the label as written; `spans` the unfaithful parts of the response in code points, sorted and disjoint, ()
    where nothing is unfaithful, None where a hallucinated response has no marks. `group` names the source: examples of
    one source are not independent.
    """

    id: str
    contexts: tuple[str, ...]
    response: str
    gold: str
    spans: tuple[Span, ...] | None
    group: str
    question: str = ""
    language: str = "en"
    domain: str = "general"

    @property
    def label(self) -> str:
        """`faithful`, or `hallucinated`: a claim that is anything but supported is hallucinated."""
        return "faithful" if self.gold in ("faithful", "supported") else "hallucinated"


def load_factuality(file: Path | str) -> list[Labelled]:
    """Read a factuality file {"id","context","response","label"} or a claims file {"id","claim","evidence","label"}.

    Labels are `faithful` and `hallucinated`, or `supported`, `contradicted`, `not_enough_info` and `not_supported`.
    Optional: `spans` [{"start","end"}] in code points of the response, `question`, `language`, `domain`, and `group`,
    `source_id` or `doc_id` for the source (else: the context itself). `context` may be a list of texts. A folder with
    RAGTruth's own two files is read as well.

    Raises:
        DocumentError: the file cannot be read or holds no record; or, all at once with file and line, a field is
            missing or empty, a label unknown, an id twice, a span outside of its response.
    """
    path, faults = Path(file), Faults()
    if path.is_dir() and is_ragtruth(path):
        return _gather(path, ((f"{path}: {value['id']}", value) for value in ragtruth(path)), faults)
    return _gather(path, ((f"{path}:{line}", value) for line, value in objects(path, faults)), faults)


def _gather(path: Path, records: Iterable[tuple[str, Mapping[str, Any]]], faults: Faults) -> list[Labelled]:
    ids = Ids()
    found = [labelled(Row(value, where, faults), ids) for where, value in records]
    faults.raise_any()
    if not found:
        raise DocumentError(f"{path} holds no record. Give one JSON object a line: id, context, response, label.")
    return found


def is_labelled(value: Mapping[str, Any]) -> bool:
    """Tell whether an object has the fields of a labelled record, rightly filled or not."""
    return {"context", "response", "label"} <= value.keys() or {"claim", "evidence", "label"} <= value.keys()


def labelled(row: Row, ids: Ids) -> Labelled:
    """Return the record of a row; its faults are noted with the row."""
    claims = "claim" in row.value and "response" not in row.value
    allowed = CLAIM_LABELS if claims else LABELS
    key = ids.take(row, "id")
    response = row.filled("claim" if claims else "response")
    contexts = _contexts(row, "evidence" if claims else "context")
    gold = row.filled("label")
    if gold.strip() and gold not in allowed:
        row.fault(f"field 'label' must be one of {', '.join(allowed)}, got {gold!r}.")
    spans = _spans(row, response, gold)
    group = next((str(row.value[name]) for name in _GROUPS if row.value.get(name) not in (None, "")), None)
    return Labelled(
        id=key,
        contexts=contexts,
        response=response,
        gold=gold,
        spans=spans,
        group=content_id(*contexts) if group is None else group,
        question=row.string("question", ""),
        language=row.string("language", "") or detect_language(response),
        domain=row.string("domain", "") or "general",
    )


def _contexts(row: Row, key: str) -> tuple[str, ...]:
    if not isinstance(row.value.get(key), list):
        return (row.filled(key),)
    found = tuple(text for text in row.strings(key) if text.strip())
    if not found:
        row.fault(f"field {key!r} holds no text. Give it, or take the record out.")
    return found


def _spans(row: Row, response: str, gold: str) -> tuple[Span, ...] | None:
    """The marked spans, merged; a hallucinated record without any: unknown."""
    given = row.value.get("spans")
    if not given:
        return () if gold == "faithful" else None
    marks = []
    for mark in row.rows("spans"):
        span = mark.value.get("start"), mark.value.get("end")
        start, end = (at if isinstance(at, int) and not isinstance(at, bool) else -1 for at in span)
        if 0 <= start < end <= len(response):
            marks.append((start, end))
            continue
        told = " to ".join(map(shown, span))
        mark.fault(f"span {told} must be whole numbers inside the response of {len(response)} characters.")
    if gold == "faithful":
        row.fault(
            "label is 'faithful' but 'spans' marks something. Set the label to 'hallucinated', or drop the spans."
        )
    return merged(marks)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans sorted, those that touch or overlap as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return tuple(found)


def overlap(ours: Iterable[Span], theirs: Iterable[Span]) -> int:
    """Return how many characters two sets of disjoint spans share."""
    second = list(theirs)
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in ours for b in second)
