"""What a parser sees in a file, before it becomes text with offsets: headings, paragraphs and tables in reading order.

Parsers return blocks; `compose` writes them out as one `Document` by the text canon: a newline ends every paragraph,
heading, list item and table row, and nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.facts import find_facts, stem, title_of
from ingest.parsers.grid import Grid
from ingest.parsers.table import write_table
from ingest.parsers.xbrl import disagreements
from rag.errors import DocumentError
from rag.language import detect_language
from rag.schema import Document, Fact, Scalar, Table


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph or list item; `runs_on` says that it continues the paragraph before it (over a page break).

    `facts` are the tagged figures in it, each with its place in the text of the paragraph.
    """

    text: str
    page: int | None = None
    runs_on: bool = False
    facts: Sequence[tuple[int, int, Fact]] = ()


@dataclass(frozen=True, slots=True)
class Title:
    """A heading of level 1 (the highest) to 6."""

    text: str
    level: int = 2
    page: int | None = None


Block = Prose | Title | Grid
MAX_COLUMNS = 16_384


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in the text of a document: `document.text[start:end]` is it."""

    start: int
    end: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document, where its headings are, and what a reader should know of how it was read."""

    document: Document
    headings: tuple[Heading, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """A part of a file that cannot be read, such as one line or one sheet; what stands around it is read.

    `source` names it ("file.jsonl#line 7"), `reason` says what is wrong with it and the next step.
    """

    source: str
    reason: str


@dataclass(slots=True)
class _Page:
    """The text so far, with what is known about places in it."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    page_starts: list[int] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, text: str) -> tuple[int, int]:
        start = self.length
        self.parts.append(text)
        self.length += len(text)
        return start, self.length

    def turn_to(self, page: int | None) -> None:
        while page is not None and len(self.page_starts) < page:
            self.page_starts.append(self.length)


def compose(
    blocks: Sequence[Block],
    source: str,
    *,
    kind: str,
    title: str = "",
    pages: int = 0,
    metadata: dict[str, Any] | None = None,
    facts: Sequence[Fact] = (),
) -> Parsed:
    """Write blocks out as one document; `facts` are those that its text does not print.

    Raises:
        DocumentError: there is no text in it, or a table has more columns than any spreadsheet.
    """
    out = _Page()
    for block in blocks:
        if isinstance(block, Prose) and block.runs_on and out.parts:
            out.length -= len(out.parts.pop())  # the newline
            _write_on(out, block)
            continue
        out.turn_to(block.page)
        if isinstance(block, Grid):
            _check_width(block, source)
            table = write_table(block, out.length)
            if table is not None:
                out.write(table.text)
                out.tables.append(table.table)
                out.facts += table.facts
                out.notes += table.disagreements
        elif block.text:
            start, end = out.write(block.text)
            out.write("\n")
            if isinstance(block, Title):
                out.headings.append(Heading(start, end, block.level, block.text))
            elif block.facts:
                out.facts += [replace(fact, start=start + a, end=start + b) for a, b, fact in block.facts]
                out.notes += disagreements(block.text, block.facts)
    out.turn_to(pages or None)
    text = "".join(out.parts).rstrip("\n")
    if not text.strip():
        raise DocumentError(f"{source}: no text in it. If it holds scanned pages, run OCR on it first.")
    title = title or (out.headings[0].text if out.headings else "") or stem(source)
    language = detect_language(text)
    fields: dict[str, Scalar] = {
        "format": kind,
        **find_facts(text, source, title, language, metadata),
        **(metadata or {}),
    }
    document = Document.of(
        text,
        source,
        title=title_of(title, fields, text)[:200],
        language=language,
        page_starts=tuple(min(start, len(text)) for start in out.page_starts),
        tables=tuple(out.tables),
        metadata=fields | ({"tags_that_disagree": len(out.notes)} if out.notes else {}),
        facts=(*facts, *out.facts),
    )
    return Parsed(document, tuple(out.headings), tuple(out.notes))


def _check_width(grid: Grid, source: str) -> None:
    width = max(map(len, grid.rows), default=0)
    if width > MAX_COLUMNS:
        raise DocumentError(
            f"{source}: a table of {width:,} columns; at most {MAX_COLUMNS:,} are read, as many as a spreadsheet has. "
            "Split it, or turn its rows into columns."
        )


def _write_on(out: _Page, block: Prose) -> None:
    """Continue the paragraph before; the page starts behind the joint."""
    tight = re.match(r"[\u3000-\u9fff\uff01-\uff60]", block.text[:1])
    if not tight:
        out.write(" ")
    out.turn_to(block.page)
    out.write(block.text)
    out.write("\n")
