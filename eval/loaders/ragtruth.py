"""RAGTruth as its authors publish it: answers of language models with human word-level marks, in two files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.lines import Faults, Ids, Row, objects, shown
from rag.errors import DocumentError
from rag.language import detect_language

_RESPONSES, _SOURCES = "response.jsonl", "source_info.jsonl"


def is_ragtruth(folder: Path | str) -> bool:
    """Tell whether a folder holds RAGTruth's two files, plain or gzipped."""
    return _file(Path(folder), _RESPONSES) is not None and _file(Path(folder), _SOURCES) is not None


def ragtruth(folder: Path | str, split: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the answers of a split as factuality records.

    {"id", "context", "response", "label": "faithful" or "hallucinated", "spans": [{"start", "end", "type", …}],
    "question", "task", "model", "source_id", "split", "language", "domain"}; offsets count code points of the
    response. An answer with any marked span is hallucinated, as in the authors' own evaluation. Answers marked as
    truncated or as a wrong refusal (`quality` other than "good") are passed over, as there.

    Args:
        folder: holds `response.jsonl` and `source_info.jsonl`, plain or gzipped.
        split: "train" or "test"; None for both.

    Raises:
        DocumentError: a file is missing, or lines are wrong; every fault with file and line. Raised before the first
            record.
    """
    folder, faults = Path(folder), Faults()
    files = [_file(folder, name) for name in (_RESPONSES, _SOURCES)]
    if files[0] is None or files[1] is None:
        raise DocumentError(f"{folder} lacks {_RESPONSES} or {_SOURCES}. Give the folder RAGTruth calls 'dataset'.")
    sources = _sources(files[1], faults)
    ids, records, splits = Ids(), [], set()
    for line, value in objects(files[0], faults):
        row = Row(value, f"{files[0]}:{line}", faults)
        splits.add(row.string("split", ""))
        record = _record(row, ids, sources)
        if value.get("quality", "good") == "good" and split in (None, record["split"]):
            records.append(record)
    faults.raise_any()
    if not records:
        known = ", ".join(sorted(filter(None, splits))) or "none"
        raise DocumentError(f"{files[0]} holds no answer of split {split!r}. Splits: {known}.")
    yield from records


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _sources(path: Path, faults: Faults) -> dict[str, dict[str, str]]:
    """Return context, question and task of every source by its id."""
    found: dict[str, dict[str, str]] = {}
    ids = Ids()
    for line, value in objects(path, faults):
        row = Row(value, f"{path}:{line}", faults)
        key, task = ids.take(row, "source_id"), row.filled("task_type")
        info = value.get("source_info")
        if isinstance(info, str):
            found[key] = {"context": info, "question": "", "task": task}
        elif isinstance(info, dict) and "passages" in info:
            inner = row.row("source_info")
            found[key] = {"context": inner.filled("passages"), "question": inner.string("question"), "task": task}
        elif isinstance(info, dict):
            found[key] = {"context": json.dumps(info, ensure_ascii=False, indent=1), "question": "", "task": task}
        else:
            row.fault(f"field 'source_info' must be a text or an object, got {shown(info)}.")
    return found


def _record(row: Row, ids: Ids, sources: dict[str, dict[str, str]]) -> dict[str, Any]:
    key, source, response = ids.take(row, "id"), row.filled("source_id"), row.filled("response")
    if source not in sources:
        row.fault(f"source_id {source!r} is not in {_SOURCES}.")
    spans = [_span(label, response) for label in row.rows("labels")]
    return {
        "id": key,
        **sources.get(source, {"context": "", "question": "", "task": ""}),
        "response": response,
        "label": "hallucinated" if spans else "faithful",
        "spans": spans,
        "model": row.string("model", ""),
        "source_id": source,
        "split": row.string("split", ""),
        "language": detect_language(response),
        "domain": "general",
    }


def _span(label: Row, response: str) -> dict[str, Any]:
    start, end = label.value.get("start"), label.value.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(response):
        label.fault(f"want 0 <= start < end <= {len(response)}, got {shown(start)} and {shown(end)}.")
        start = end = 0
    text = label.string("text", "")
    if text and response[start:end] != text:
        label.fault(f"the response has {response[start:end]!r:.80} there, but 'text' is {text!r:.80}.")
    kinds = {name: label.flag(name, False) for name in ("implicit_true", "due_to_null")}
    return {"start": start, "end": end, "type": label.string("label_type", ""), **kinds}
