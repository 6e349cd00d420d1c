"""Values to JSON and to words on a terminal. The JSON shapes are contracts: see docs/cli.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rag.assistant import Checked
from rag.cite import marked
from rag.schema import Passage


def passage_json(passage: Passage) -> dict[str, Any]:
    """Return one passage as `search` and `ask` print it."""
    chunk = passage.chunk
    return {
        "rank": passage.rank,
        "score": round(passage.score, 6),
        "chunk_id": chunk.id,
        "doc_id": chunk.doc_id,
        "source": passage.source,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "metadata": {
            **passage.metadata,
            "title": passage.title,
            "headings": " > ".join(chunk.headings),
            "kind": chunk.kind,
        },
    }


def search_json(query: str, passages: Sequence[Passage], timings: Mapping[str, float]) -> dict[str, Any]:
    """Return what `search --json` prints."""
    return {"query": query, "passages": [passage_json(passage) for passage in passages], "timings": _rounded(timings)}


def ask_json(checked: Checked) -> dict[str, Any]:
    """Return what `ask --json` prints: spans index into `answer`, citations name ranks of `passages`."""
    answer = checked.answer
    sentences = [
        {
            "text": answer.text[claim.start : claim.end],
            "start": claim.start,
            "end": claim.end,
            "label": claim.label,
            "confidence": round(claim.confidence, 4),
            "citations": list(claim.ranks),
        }
        for claim in checked.verdict.claims
    ]
    figures = [
        {
            "text": figure.text,
            "value": str(figure.value),
            "unit": figure.unit,
            "scale": figure.scale,
            "provenance": figure.provenance or None,
        }
        for figure in answer.figures
    ]
    return {
        "question": answer.question,
        "answer": answer.text,
        "abstained": answer.abstained,
        "reason": answer.reason,
        "confidence": None if answer.confidence is None else round(answer.confidence, 4),
        "sentences": sentences,
        "figures": figures,
        "passages": [passage_json(passage) for passage in answer.passages],
        "model": answer.model,
        "verifier": checked.verdict.verifier,
        "settings_hash": answer.settings_hash,
        "timings": _rounded(answer.timings),
    }


def _rounded(timings: Mapping[str, float]) -> dict[str, float]:
    return {name: round(seconds, 6) for name, seconds in timings.items()}


def place(passage: Passage) -> str:
    """Return "file, page 3, heading" of a passage, and whether a newer version or a retraction speaks against it."""
    page = f"page {passage.chunk.page}" if passage.chunk.page else ""
    heading = passage.chunk.headings[-1] if passage.chunk.headings else ""
    name = "/".join(passage.source.split("/")[-2:])
    newer = passage.metadata.get("superseded_by_title") or passage.metadata.get("superseded_by")
    caution = f"SUPERSEDED by {newer}" if newer else ""
    retracted = "RETRACTED" if passage.metadata.get("retracted") else ""
    return ", ".join(filter(None, (name or passage.title, page, heading, caution, retracted)))


def answer_words(checked: Checked, notice: str = "") -> str:
    """Return an answer as a person reads it: text with markers, the cited sources, then what failed a check."""
    answer = checked.answer
    if answer.abstained:
        return f"No answer. {answer.reason}"
    by_rank = {passage.rank: passage for passage in answer.passages}
    lines = [marked(answer), ""]
    lines += [f"  [{rank}] {place(by_rank[rank])}" for rank in sorted({c.rank for c in answer.citations})]
    for claim in checked.verdict.claims:
        if claim.label != "supported":
            lines.append(f"  {claim.label.replace('_', ' ')}: {answer.text[claim.start : claim.end]}")
    flagged = [figure.text for figure in answer.figures if figure.rank is None]
    if flagged:
        lines.append(f"  not found in the cited passages: {', '.join(flagged)}")
    return "\n".join([*lines, *([f"  {notice}"] if notice else [])])


def passage_words(passage: Passage, width: int = 300) -> str:
    """Return a passage in three lines at most."""
    text = " ".join(passage.chunk.text.split())
    short = text if len(text) <= width else f"{text[:width]}…"
    return f"[{passage.rank}] {passage.score:.3f}  {place(passage)}\n    {short}"
