"""A passage as people read it: where it is from, its text or table, the quote highlighted. Pure: values to HTML."""

from __future__ import annotations

from collections.abc import Sequence

from app.web.escape import Inline, Mark, escape, inline
from app.web.table_html import RowLine, Span, blocks, table_html
from app.web.words import Words
from rag.language import detect_language
from rag.schema import Chunk, Passage


def html_language(text: str) -> str:
    """Return the `lang` attribute of a text: it decides how Chinese characters are drawn and read out."""
    return "zh-Hans" if detect_language(text) == "zh" else "en"


def columns_of(chunk: Chunk) -> list[str]:
    """Return the names of a row chunk's columns, as far as its metadata knows them."""
    return str(chunk.metadata.get("columns") or "").split(" | ")


def place(passage: Passage, words: Words) -> str:
    """Return "title · page 3" of a passage, as plain text."""
    page = words.page.format(page=passage.chunk.page) if passage.chunk.page else ""
    return " · ".join(filter(None, (passage.title or passage.source, page)))


def short_source(source: str) -> str:
    """Return the folder and the name of a source: enough to know it by."""
    return "/".join(source.split("/")[-2:])


def cautions(passage: Passage, words: Words) -> list[str]:
    """Return what a reader must know before relying on a passage: a newer version, a retraction."""
    told, found = [], passage.metadata
    if found.get("superseded_by"):
        title, day = found.get("superseded_by_title") or found["superseded_by"], found.get("superseded_by_date")
        told.append(words.superseded.format(title=f"{title} ({day})" if day else title))
    return [*told, words.retracted] if found.get("retracted") else told


def where_html(passage: Passage, words: Words) -> str:
    """Return the head of a passage: number, title, file, page and path of headings."""
    chunk = passage.chunk
    title = passage.title or passage.source
    page = words.page.format(page=chunk.page) if chunk.page else ""
    facts = [short_source(passage.source) if passage.source != title else "", page]
    told = " · ".join(escape(fact) for fact in facts if fact)
    path = " › ".join(escape(heading) for heading in chunk.headings if heading != title)
    caution = " · ".join(map(escape, cautions(passage, words)))
    return (
        f'<span class="con-where"><span class="con-rank">{passage.rank}</span>'
        f'<span class="con-title" lang="{html_language(title)}">{escape(title)}</span>'
        f"{f'<span class=con-facts>{told}</span>' if told else ''}"
        f"{f'<span class=con-path>{path}</span>' if path else ''}"
        f"{f'<span class=con-caution>{caution}</span>' if caution else ''}</span>"
    )


def chunk_html(chunk: Chunk, words: Words, quotes: Sequence[Span] = ()) -> str:
    """Return the text of a chunk with the quotes (spans of it) highlighted; row lines become tables."""
    told = f'<span class="con-sr">{escape(words.quote)}: </span>'
    marks = [Mark(start, end, f"<mark>{told}", "</mark>") for start, end in quotes]
    render = inline(chunk.text, marks)
    if chunk.kind == "prose":
        body = f'<div class="con-prose">{render(0, len(chunk.text))}</div>'
    else:
        body = _table_blocks(blocks(chunk.text, columns_of(chunk)), render)
    return f'<div class="con-passage" lang="{html_language(chunk.text)}">{body}</div>'


def _table_blocks(lines: Sequence[RowLine | Span], render: Inline) -> str:
    pieces: list[str] = []
    rows: list[RowLine] = []
    for line in (*lines, None):
        if isinstance(line, RowLine):
            rows.append(line)
            continue
        if rows:
            pieces.append(table_html(rows, render))
            rows = []
        if line is not None:
            pieces.append(f'<div class="con-prose">{render(*line)}</div>')
    return "".join(pieces)


def passage_html(passage: Passage, words: Words, quotes: Sequence[Span] = ()) -> str:
    """Return a whole passage: head and text."""
    return f"<section>{where_html(passage, words)}{chunk_html(passage.chunk, words, quotes)}</section>"


def popover_html(name: str, passage: Passage, words: Words, quotes: Sequence[Span], page: str = "") -> str:
    """Return a passage that opens over the page when its marker (a button with `popovertarget`) is pressed.

    `page` is the HTML of the printed page, where there is one.

    The browser itself opens and closes it (also by Escape), so it needs neither script nor server.
    """
    label = escape(f"[{passage.rank}] {place(passage, words)}")
    close = escape(words.close)
    return (
        f'<div class="con-popover" popover="auto" id="{escape(name)}" role="dialog" aria-label="{label}">'
        f'<button type="button" class="con-close" popovertarget="{escape(name)}" popovertargetaction="hide" '
        f'aria-label="{close}" title="{close}">×</button>{passage_html(passage, words, quotes)}{page}</div>'
    )


def marker_html(name: str, passage: Passage, words: Words, *, label: str | None = None) -> str:
    """Return the button that opens the popover `name`; its face is the rank, or `label` (trusted HTML)."""
    told = escape(words.open_source.format(rank=passage.rank, place=place(passage, words)))
    face = f"{passage.rank}" if label is None else label
    style = "con-cite" if label is None else "con-source"
    return (
        f'<button type="button" class="{style}" popovertarget="{escape(name)}" aria-label="{told}" title="{told}">'
        f"{face}</button>"
    )
