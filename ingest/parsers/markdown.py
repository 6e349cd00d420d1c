"""Markdown to blocks, by markdown-it: headings, paragraphs, list items, code and tables. Markup itself is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ingest.clean import clean_line, clean_lines
from ingest.parsers.blocks import Block, Prose, Title
from ingest.parsers.grid import Grid
from ingest.parsers.hidden import Tally

MAX_INLINE = 4_000  # characters looked at together for links and emphasis: reading them takes quadratic time
MAX_NESTING = 100  # lists and quotes in one another, two levels each; what lies deeper is not read
MAX_NESTING_INLINE = 20  # links and emphasis
_INDENT = re.compile(r"^([ \t]{500})[ \t]+", re.MULTILINE)  # deeper than anything that is not code
_PIECE = re.compile(rf".{{1,{MAX_INLINE}}}(?:(?<=\s)|\Z)|.{{{MAX_INLINE}}}", re.DOTALL)  # cut at blanks if it can be
_STYLED = re.compile(r"\b(?:style|hidden|aria-hidden|color|class)\b|<!--|<template|<noscript", re.IGNORECASE)


def markdown_blocks(text: str, source: str, tally: Tally) -> Iterator[Block]:
    """Yield the blocks of a Markdown text in order; HTML in it is read as HTML, what it hides is counted in `tally`.

    Raises:
        DocumentError: markup beyond all use.
    """
    from markdown_it import MarkdownIt

    from ingest.parsers.html import html_blocks

    reader = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table")
    reader.core.ruler.at("inline", _inline)
    tokens = reader.parse(_INDENT.sub(r"\1", text))
    if any(_STYLED.search(markup) for markup in _markup(tokens)):  # its end may stand paragraphs further down
        yield from html_blocks(reader.renderer.render(tokens, reader.options, {}), source, tally)
        return
    caption = ""
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.type == "table_open":
            end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            yield _table(tokens[i:end], caption)
            i = end
        elif token.type == "inline":
            before = tokens[i - 1]
            lines = [line for line in clean_lines(_plain(token)) if line]
            if before.type == "heading_open":
                caption = " ".join(lines)
                yield Title(caption, int(before.tag[1]))
            else:
                caption = lines[-1] if (lines and lines[-1].endswith((":", "："))) or _is_label(lines) else caption
                yield from (Prose(line) for line in lines)
        elif token.type in ("fence", "code_block"):
            yield from (Prose(line) for line in clean_lines(token.content) if line)
        elif token.type == "html_block":
            yield from html_blocks(token.content, source, tally)
        i += 1


def _inline(state: Any) -> None:
    """Read links, emphasis and the like in pieces of a bounded length; across two of them they are not seen."""
    state.md.options["maxNesting"] = MAX_NESTING_INLINE
    for token in state.tokens:
        if token.type == "inline":
            token.children = []
            for piece in _PIECE.findall(token.content):
                state.md.inline.parse(piece, state.md, state.env, token.children)


def _markup(tokens: Sequence[Any]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("html_block", "html_inline"):
            yield token.content
        yield from _markup(token.children or ())


def _is_label(lines: Sequence[str]) -> bool:
    """Tell whether a paragraph may be the caption of a table below it."""
    return len(lines) == 1 and len(lines[0]) < 100 and not lines[0].endswith((".", "。"))


def _plain(token: Any) -> str:
    """Return the words of an inline token; a soft line break is a blank, a hard one a new line."""
    parts: list[str] = []
    for child in token.children or ():
        if child.type == "softbreak":
            parts.append(" ")
        elif child.type == "hardbreak":
            parts.append("\n")
        elif child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type == "image":
            parts.append(_plain(child))
    return "".join(parts)


def _table(tokens: Sequence[Any], caption: str) -> Grid:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(clean_line(_plain(token)))
    return Grid(rows, caption=caption, notes=[caption], header_rows=1)
