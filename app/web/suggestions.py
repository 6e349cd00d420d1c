"""First questions to press: of the sample documents, else made from titles and headings of the reader's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from app.web.words import Words
from rag.schema import Chunk

COUNT = 3
_SAMPLES = {"metformin.pdf", "diabetes.zh.md"}
_LONGEST = 80  # characters of a heading that still reads as one


def suggestions(
    rows: Sequence[Mapping[str, Any]], chunks_of: Callable[[str], Sequence[Chunk]], words: Words
) -> tuple[str, ...]:
    """Return at most three questions about the documents, those in the language of the page first.

    Args:
        rows: the documents of the collection, as the store lists them.
        chunks_of: gives the chunks of a document by id; asked for three documents at most.
        words: the language of the page.
    """
    if {PurePosixPath(str(row["source"])).name for row in rows} >= _SAMPLES:
        return words.samples
    ordered = sorted(rows, key=lambda row: row["language"] != words.language)[:COUNT]
    return tuple(dict.fromkeys(_question(row, chunks_of(row["id"]), words) for row in ordered))


def _question(row: Mapping[str, Any], chunks: Sequence[Chunk], words: Words) -> str:
    title = str(row["title"] or PurePosixPath(str(row["source"])).stem)[:_LONGEST]
    headings = [chunk.headings[-1].strip() for chunk in chunks if chunk.headings]
    told = next((heading for heading in headings if heading != row["title"] and 1 < len(heading) <= _LONGEST), "")
    if told.endswith(("?", "？")):
        return told
    return (words.suggest_heading if told else words.suggest_title).format(title=title, heading=told)
