"""The printed page behind a quote: a strip of the PDF with the quote marked, where its file still lies where it was."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import streamlit as st

from app.web.escape import escape
from app.web.table_html import Span
from app.web.words import Words
from rag.errors import DocumentError
from rag.schema import Answer, Passage

Shots = Mapping[tuple[int, Span], str]
"""HTML of the strips, by rank of the passage and span of the quote in its chunk."""

_CAPTION: Final = {
    "en": "Page {page} as printed, the quote marked",
    "zh": "第 {page} 页原件，引文已标出",
}


def page_shots(answer: Answer, words: Words) -> Shots:
    """Return the strips of all quotes of an answer whose PDF is at hand and holds the quote on its page."""
    found: dict[tuple[int, Span], str] = {}
    passages = {passage.rank: passage for passage in answer.passages}
    for cited in answer.citations:
        span = (cited.quote_start, cited.quote_end)
        passage = passages[cited.rank]
        if (cited.rank, span) not in found and (shot := _shot(passage, span)):
            found[cited.rank, span] = _html(*shot, words)
    return found


def _shot(passage: Passage, span: Span) -> tuple[bytes, int] | None:
    """Return the strip and its page; the quote of a chunk that runs over two pages may stand on the second."""
    path, first = Path(passage.source), passage.chunk.page
    if path.suffix.lower() != ".pdf" or first is None or not path.is_file():
        return None
    quote = passage.chunk.text[span[0] : span[1]]
    for page in (first, first + 1):
        if strip := _strip(str(path), path.stat().st_mtime_ns, page, quote):
            return strip, page
    return None


@st.cache_data(show_spinner=False, max_entries=128)
def _strip(path: str, changed: int, page: int, quote: str) -> bytes | None:
    from ingest.parsers.pdf_boxes import quote_picture

    try:
        return quote_picture(path, page, quote)
    except DocumentError:  # replaced by another file, or shorter now: the text of the passage is shown all the same
        return None


def _html(strip: bytes, page: int, words: Words) -> str:
    told = escape(_CAPTION[words.language].format(page=page))
    data = base64.b64encode(strip).decode()
    return (
        f'<figure class="con-page"><img alt="{told}" src="data:image/png;base64,{data}">'
        f"<figcaption>{told}</figcaption></figure>"
    )
