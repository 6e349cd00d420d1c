"""Lines that a whole batch repeats: licence footers, disclaimers, banners. They stay in the text and out of the chunks.

It does not know what a repeated line says: a sentence that the law puts into every filing is boilerplate, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ingest.clean import running_key
from rag.language import HAN
from rag.schema import Chunk, Document

_LONG_LINE = re.compile(rf"(?:[{HAN}][^{HAN}\n]*){{10,}}|(?:\S+\s+){{5,}}\S+")


def boilerplate(documents: Iterable[Document], *, share: float = 0.2, least: int = 5) -> dict[str, int]:
    """Return the lines that many documents repeat, and in how many each stands: licence footers, disclaimers, banners.

    A line counts from six words (ten Chinese characters) and outside of tables; numbers in it do not matter. It must
    stand in at least `least` documents and in `share` of all. Headings and labels are too short to be taken.
    """
    seen: Counter[str] = Counter()
    first: dict[str, str] = {}
    count = 0
    for document in documents:
        count += 1
        lines = {running_key(line): line.strip() for _, _, line in _lines(document)}
        seen.update(lines.keys())
        for key, line in lines.items():
            first.setdefault(key, line)
    most = max(least, share * count)
    return {first[key]: times for key, times in seen.most_common() if times >= most}


def _lines(document: Document) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, line) of the lines of prose long enough to be boilerplate."""
    tables = [(table.start, table.end) for table in document.tables]
    for match in re.finditer(r"[^\n]+", document.text):
        inside = any(start <= match.start() < end for start, end in tables)
        if not inside and _LONG_LINE.search(match.group()):
            yield match.start(), match.end(), match.group()


def boilerplate_spans(document: Document, lines: Iterable[str]) -> list[tuple[int, int]]:
    """Return where the repeated lines stand in a document, half-open, in order."""
    keys = {running_key(line) for line in lines}
    return [(start, end) for start, end, line in _lines(document) if running_key(line) in keys]


def without_boilerplate(document: Document, chunks: Sequence[Chunk], lines: Iterable[str]) -> list[Chunk]:
    """Return the chunks less the repeated lines at their edges; one that holds nothing else goes.

    The text stays whole, so that `document.text[start:end] == chunk.text` holds; a line amid a chunk stays in it.
    """
    spans = boilerplate_spans(document, lines)
    kept = []
    for chunk in chunks:
        start, end = _trim(document.text, chunk.start, chunk.end, spans)
        if start >= end:
            continue
        same = (start, end) == (chunk.start, chunk.end)
        cut = {"headings": chunk.headings, "kind": chunk.kind, "metadata": chunk.metadata}
        kept.append(chunk if same else Chunk.of(document, start, end, **cut))
    return kept


def _trim(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Move the edges of a chunk inwards over repeated lines and blanks."""
    moved = True
    while moved and start < end:
        moved = False
        for left, right in spans:
            if left <= start < right:
                start, moved = right, True
            if left < end <= right:
                end, moved = left, True
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
    return start, end
