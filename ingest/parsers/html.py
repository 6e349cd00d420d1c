"""HTML to blocks: headings, paragraphs, list items and tables with their spans; what is not shown is dropped.

Tables used for layout (one column, or tables within) are unwrapped into what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from ingest.clean import clean_line
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.grid import Grid, is_value, is_year

DROPPED = re.compile(
    "script|style|noscript|template|head|nav|svg|iframe|object|button|select|form|input|textarea|ix:header"
)
INLINE = re.compile(
    "a|abbr|b|bdi|bdo|cite|code|data|dfn|em|font|i|img|ins|kbd|label|mark|q|s|samp|small|span|strong|sub|sup|time|tt|u"
    "|var|wbr|ix:nonfraction|ix:nonnumeric|ix:continuation|ix:footnote"
)
MAX_SPAN = 200  # columns or rows that one cell may claim
MAX_DEPTH = 200  # nested elements; deeper ones are read as text
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def parse_html(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read an HTML page."""
    from selectolax.lexbor import LexborHTMLParser

    from ingest.parsers.text import encoding_of

    data = stream.read()
    tree = LexborHTMLParser(data.decode(_declared(data) or encoding_of(data[: 1 << 20]), errors="replace"))
    head = tree.css_first("title")
    title = clean_line(head.text()) if head is not None else ""
    blocks = list(_walk(tree.body, 0)) if tree.body is not None else []
    yield compose(blocks, source, kind="html", title=title)


def html_blocks(text: str) -> list[Block]:
    """Return the blocks of a piece of HTML."""
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(text).body
    return list(_walk(body, 0)) if body is not None else []


def _declared(data: bytes) -> str | None:
    """Return the encoding that the page declares, if Python knows it."""
    import codecs

    found = re.search(rb"charset\s*=\s*[\"']?\s*([\w-]+)", data[:2048], re.IGNORECASE)
    if not found or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    name = found.group(1).decode("ascii").lower()
    try:
        return "gb18030" if name in ("gb2312", "gbk") else codecs.lookup(name).name
    except LookupError:
        return None


def _hidden(node: Any) -> bool:
    attributes = node.attributes
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or _HIDDEN.search(attributes.get("style") or "") is not None
    )


def _walk(node: Any, depth: int) -> Iterator[Block]:
    """Yield the blocks under an element; text and inline elements between blocks make paragraphs."""
    words: list[str] = []
    child = node.child
    while child is not None:
        tag = child.tag
        if tag == "-text":
            words.append(child.text(deep=False))
        elif tag == "br":
            yield from _flush(words)
        elif tag.startswith("-") or DROPPED.fullmatch(tag) or _hidden(child):
            pass
        elif INLINE.fullmatch(tag) and not _holds_blocks(child):
            words.append(_words(child))
        else:
            yield from _flush(words)
            yield from _element(child, tag, depth + 1)
        child = child.next
    yield from _flush(words)


def _flush(words: list[str]) -> Iterator[Block]:
    text = clean_line("".join(words))
    words.clear()
    if text:
        yield Prose(text)


def _element(node: Any, tag: str, depth: int) -> Iterator[Block]:
    if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
        text = clean_line(_words(node))
        if text:
            yield Title(text, int(tag[1]))
    elif tag == "table" and depth < MAX_DEPTH:
        yield from _table(node, depth)
    elif tag == "pre":
        yield from (Prose(line) for line in map(clean_line, node.text().splitlines()) if line)
    elif depth >= MAX_DEPTH:
        yield from _flush([node.text()])
    else:
        yield from _walk(node, depth)


def _holds_blocks(node: Any) -> bool:
    return node.css_first("p, div, table, ul, ol, li, h1, h2, h3, h4, h5, h6, br, section") is not None


def _words(node: Any) -> str:
    """Return the shown text of an element; elements that are not inline stand apart."""
    parts: list[str] = []
    child = node.child
    while child is not None:
        tag = child.tag
        if tag == "-text":
            parts.append(child.text(deep=False))
        elif DROPPED.fullmatch(tag) or tag.startswith("-") or _hidden(child):
            pass
        elif INLINE.fullmatch(tag):
            parts.append(_words(child))
        else:
            parts.append(f" {_words(child)} ")
        child = child.next
    return "".join(parts)


def _table(node: Any, depth: int) -> Iterator[Block]:
    """Yield a table as a grid, or what it holds where it only serves the layout."""
    rows = _rows(node)
    caption_node = next((child for child in _children(node) if child.tag == "caption"), None)
    caption = clean_line(_words(caption_node)) if caption_node is not None else ""
    nested = any(cell.css_first("table") is not None for row in rows for cell in row)
    grid, heads = _grid(rows)
    filled = max((sum(bool(cell) for cell in row) for row in grid), default=0)
    if nested or filled < 2:
        for row in rows:
            for cell in row:
                yield from _walk(cell, depth + 1)
        return
    yield Grid(grid, caption=caption, notes=[caption], header_rows=heads or None)


def _children(node: Any) -> Iterator[Any]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _rows(table: Any) -> list[list[Any]]:
    """Return the cells of each shown row of this table, not of tables within."""
    found: list[list[Any]] = []
    for child in _children(table):
        rows = [child] if child.tag == "tr" else _children(child) if child.tag in ("thead", "tbody", "tfoot") else ()
        shown = (row for row in rows if row.tag == "tr" and not _hidden(row))
        found += [[cell for cell in _children(row) if cell.tag in ("td", "th")] for row in shown]
    return found


def _span(cell: Any, name: str) -> int:
    text = (cell.attributes.get(name) or "1").strip()
    return max(1, min(MAX_SPAN, int(text))) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _grid(rows: list[list[Any]]) -> tuple[list[list[str]], int]:
    """Return the texts with spans written out, and the number of header rows that <th> marks (0: none said).

    A label or heading that spans columns or rows is repeated; a number is not, it stands in its first cell.
    """
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    heads, leading = 0, True
    for cells in rows:
        line: list[str] = []
        for cell in cells:
            _hang(line, hanging)
            text, down, across = clean_line(_words(cell)), _span(cell, "rowspan"), _span(cell, "colspan")
            again = text if is_year(text) or not is_value(text) else ""
            shown = [text, *[again] * (across - 1)]
            if down > 1:
                hanging.update((len(line) + j, (down - 1, words)) for j, words in enumerate(shown))
            line.extend(shown)
        _hang(line, hanging)
        grid.append(line)
        leading = leading and bool(cells) and all(cell.tag == "th" for cell in cells)
        heads += leading
    return grid, heads if heads < len(grid) else 0


def _hang(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Fill the cells that rows above reach down into."""
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        if left > 1:
            hanging[len(line)] = (left - 1, text)
        line.append(text)
