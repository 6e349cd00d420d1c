"""HTML to blocks: headings, paragraphs, list items and tables with their spans; what is not shown is dropped.

Tables used for layout (one column, or tables within) are unwrapped into what they hold. What a reader does not see is
left out and counted. The tags of inline XBRL become facts, see `ingest.parsers.xbrl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from ingest.clean import clean_line
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.css import Sheet
from ingest.parsers.grid import Grid, is_value, is_year
from ingest.parsers.hidden import Look, Tally, hides, inherit
from ingest.parsers.markup import all_words, check_markup, children, hang, holds_blocks, markup_of, span
from ingest.parsers.xbrl import CLOSE, OPEN, Placed, Tags
from rag.schema import Fact

DROPPED = re.compile("script|style|head|nav|svg|iframe|object|button|select|input|textarea|ix:header")
UNSHOWN = ("noscript", "template")
INLINE = re.compile(
    "a|abbr|b|bdi|bdo|cite|code|data|dfn|em|font|i|img|ins|kbd|label|mark|q|s|samp|small|span|strong|sub|sup|time|tt|u"
    "|var|wbr|ix:nonfraction|ix:nonnumeric|ix:continuation|ix:footnote|ix:exclude|ix:fraction|ix:numerator"
    "|ix:denominator"
)
MAX_CELLS = 300_000  # of one table, spans written out; behind them a cell claims no more than itself
MAX_COLUMNS = 1_000  # the same for one row
MAX_DEPTH = 200  # nested elements; deeper ones are read as text
_TAG = re.compile(r"<[^>]*>")
_RAISED = re.compile(r"\s*[+−-]?[\d,]{1,4}\s*")
_SUPERSCRIPT = str.maketrans("0123456789+-−,", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻,")

_Row = list[tuple[Any, Look | None]]  # cells, and how text in them looks; None: hidden, but it holds its column


def parse_html(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read an HTML page.

    Raises:
        DocumentError: no text that is shown, or markup beyond all use.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(markup_of(stream.read(), source))
    head = tree.css_first("title")
    title = clean_line(head.text()) if head is not None else ""
    page = Page.of(tree, source)
    blocks = list(page.blocks(tree.body)) if tree.body is not None else []
    metadata, facts = page.tally.metadata(), list[Fact]()
    if page.tags is not None:
        metadata |= page.tags.metadata()
        facts = page.tags.unplaced
    yield compose(blocks, source, kind="html", title=title, metadata=metadata, facts=facts)


def html_blocks(text: str, source: str = "page", tally: Tally | None = None) -> list[Block]:
    """Return the blocks of a piece of HTML; what is hidden in it is counted in `tally`.

    Raises:
        DocumentError: markup beyond all use.
    """
    from selectolax.lexbor import LexborHTMLParser

    check_markup(text, source)
    tree = LexborHTMLParser(text)
    page = Page.of(tree, source)
    if tally is not None:
        page.tally = tally
    return list(page.blocks(tree.body)) if tree.body is not None else []


class Page:
    """One page being read: its style sheets, its tags, and what was left out of it."""

    def __init__(self, sheet: Sheet, tags: Tags | None) -> None:
        self.sheet, self.tags, self.tally = sheet, tags, Tally()

    @classmethod
    def of(cls, tree: Any, source: str) -> Page:
        """Read the style sheets of a page."""
        return cls(Sheet.of(tree, source), Tags.of(tree))

    def blocks(self, body: Any) -> Iterator[Block]:
        """Yield the blocks of the page; a page that is hidden as a whole waits for a script, and is read."""
        attributes = body.attributes
        yield from self._walk(body, self._look(body, "body", attributes, Look()), 0)

    def _look(self, node: Any, tag: str, attributes: dict[str, str | None], look: Look) -> Look:
        style = dict(self.sheet.style(node, tag, attributes))
        if attributes.get("bgcolor"):
            style.setdefault("background", attributes["bgcolor"] or "")
        if tag == "font" and attributes.get("color"):
            style.setdefault("color", attributes["color"] or "")
        return inherit(look, style) if style else look

    def _enter(self, node: Any, tag: str, look: Look) -> Look | None:
        """Return the look of what is in an element; None where it is hidden with all in it, which is counted."""
        attributes = node.attributes
        if not attributes and self.sheet.is_empty:
            return look
        style = self.sheet.style(node, tag, attributes)
        kind = hides(style) if style else ""
        kind = "hidden" if "hidden" in attributes else kind
        kind = "aria-hidden" if attributes.get("aria-hidden") == "true" else kind
        if kind:
            self.tally.add(kind, all_words(node))
            return None
        return self._look(node, tag, attributes, look)

    def _text(self, node: Any, look: Look) -> str:
        """Return the text of a text node where it is seen."""
        text: str = node.text(deep=False)
        kind = look.unseen()
        if not kind:
            return text if self.tags is None else text.replace(OPEN, "").replace(CLOSE, "")
        self.tally.add(kind, text)
        return " "

    def _skip(self, node: Any, tag: str) -> bool:
        """Tell whether a node is never text on the page; comments and templates are counted."""
        if tag == "-comment":
            words = node.comment_content or ""
            if not words.startswith("[if"):
                self.tally.add("comment", _TAG.sub(" ", words))
        elif tag in UNSHOWN:
            self.tally.add(tag, _TAG.sub(" ", node.html or ""))
        return not tag or tag.startswith("-") or tag in UNSHOWN or DROPPED.fullmatch(tag) is not None

    def _walk(self, node: Any, look: Look, depth: int) -> Iterator[Block]:
        """Yield the blocks under an element; text and inline elements between blocks make paragraphs."""
        words: list[str] = []
        for child in children(node):
            tag = child.tag
            if tag == "-text":
                words.append(self._text(child, look))
            elif tag == "br":
                yield from self._flush(words)
            elif not self._skip(child, tag):
                inner = self._enter(child, tag, look)
                if inner is None:
                    continue
                if INLINE.fullmatch(tag) and not holds_blocks(child):
                    before, after = self._edges(child, tag)
                    words += [before, self._words(child, inner), after]
                    continue
                yield from self._flush(words)
                yield from self._element(child, tag, inner, depth + 1)
        yield from self._flush(words)

    def _element(self, node: Any, tag: str, look: Look, depth: int) -> Iterator[Block]:
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            text, _ = self._clean(self._words(node, look))
            if text:
                yield Title(text, int(tag[1]))
        elif tag == "table" and depth < MAX_DEPTH:
            yield from self._table(node, look, depth)
        elif tag == "pre":
            for line in self._words(node, look).splitlines():
                yield from self._flush([line])
        elif depth >= MAX_DEPTH:
            yield from self._flush([self._words(node, look)])
        else:
            yield from self._walk(node, look, depth)

    def _words(self, node: Any, look: Look) -> str:
        """Return the shown text of an element, however deep; elements that are not inline stand apart."""
        if node.tag == "sup" and _RAISED.fullmatch(node.text()):
            return str(node.text()).strip().translate(_SUPERSCRIPT)  # 10⁹ is not 109, nor a mark a digit
        parts: list[str] = []
        stack: list[tuple[Any, Look, str]] = [(node.child, look, "")]  # the next to read, and what to write at the end
        while stack:
            child, look, after = stack.pop()
            if child is None:
                parts.append(after)
                continue
            stack.append((child.next, look, after))
            tag = child.tag
            if tag == "-text":
                parts.append(self._text(child, look))
            elif not self._skip(child, tag):
                inner = self._enter(child, tag, look)
                if inner is not None:
                    before, after = self._edges(child, tag)
                    raised = tag == "sup" and _RAISED.fullmatch(child.text())
                    parts.append(self._words(child, inner) if raised else before)
                    stack += [] if raised else [(child.child, inner, after)]
        return "".join(parts)

    def _edges(self, node: Any, tag: str) -> tuple[str, str]:
        """Return what is written before and after an element's words: marks of a fact, a blank, or nothing."""
        if self.tags is not None and tag == "ix:nonfraction":
            self.tags.meet(node)
            return OPEN, CLOSE
        return ("", "") if INLINE.fullmatch(tag) else (" ", " ")

    def _clean(self, text: str) -> tuple[str, list[Placed]]:
        """Return words as one line, and the facts printed in it."""
        return (clean_line(text), []) if self.tags is None else self.tags.take(text)

    def _flush(self, words: list[str]) -> Iterator[Block]:
        text, facts = self._clean("".join(words))
        words.clear()
        if text:
            yield Prose(text, facts=facts)

    def _table(self, node: Any, look: Look, depth: int) -> Iterator[Block]:
        """Yield a table as a grid, or what it holds where it only serves the layout."""
        rows = self._rows(node, look)
        caption = ""
        for child in children(node):
            inner = self._enter(child, "caption", look) if child.tag == "caption" else None
            caption = caption or (self._clean(self._words(child, inner))[0] if inner else "")
        nested = any(cell.css_first("table") is not None for row in rows for cell, _ in row)
        if nested:
            yield from self._unwrapped(rows, depth)
            return
        facts: dict[tuple[int, int], list[Fact]] = {}
        grid, heads = self._grid(rows, facts)
        filled = max((sum(bool(cell) for cell in row) for row in grid), default=0)
        if filled < 2:
            kinds = self.tally.kinds.copy()
            yield from self._unwrapped(rows, depth)
            self.tally.kinds = kinds  # counted when the cells were read
            return
        yield Grid(grid, caption=caption, notes=[caption], header_rows=heads or None, facts=facts)

    def _unwrapped(self, rows: list[_Row], depth: int) -> Iterator[Block]:
        for cell, look in (pair for row in rows for pair in row):
            if look is not None:
                yield from self._walk(cell, look, depth + 1)

    def _rows(self, table: Any, look: Look) -> list[_Row]:
        """Return the cells of each shown row of this table, with their looks; not of tables within."""
        found: list[_Row] = []
        for child in children(table):
            if child.tag not in ("tr", "thead", "tbody", "tfoot"):
                continue
            inner = self._enter(child, child.tag, look)
            if inner is None:
                continue
            for row in [child] if child.tag == "tr" else children(child):
                of_row = inner if row is child else self._enter(row, "tr", inner) if row.tag == "tr" else None
                if of_row is not None:
                    cells = (cell for cell in children(row) if cell.tag in ("td", "th"))
                    found.append([(cell, self._enter(cell, cell.tag, of_row)) for cell in cells])
        return found

    def _grid(self, rows: list[_Row], facts: dict[tuple[int, int], list[Fact]]) -> tuple[list[list[str]], int]:
        """Return the texts with spans written out, and the number of header rows that <th> marks (0: none said).

        A label or heading that spans columns or rows is repeated; a number is not, it stands in its first cell. `facts`
        is filled with those printed in each cell.
        """
        grid: list[list[str]] = []
        hanging: dict[int, tuple[int, str]] = {}
        heads, leading, count = 0, True, 0
        for cells in rows:
            line: list[str] = []
            for cell, look in cells:
                hang(line, hanging)
                text, placed = self._clean(self._words(cell, look)) if look is not None else ("", [])
                if placed:
                    facts[len(grid), len(line)] = [fact for _, _, fact in placed]
                down, across = span(cell, "rowspan"), span(cell, "colspan")
                across = across if count + len(line) < MAX_CELLS and len(line) < MAX_COLUMNS else 1
                again = text if is_year(text) or not is_value(text) else ""
                shown = [text, *[again] * (across - 1)]
                if down > 1:
                    hanging.update((len(line) + j, (down - 1, words)) for j, words in enumerate(shown))
                line.extend(shown)
            hang(line, hanging)
            grid.append(line)
            count += len(line)
            leading = leading and bool(cells) and all(cell.tag == "th" for cell, _ in cells)
            heads += leading
        return grid, heads if heads < len(grid) else 0
