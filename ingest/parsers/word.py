"""DOCX to blocks: paragraphs, headings and tables of a document in order.

Text boxes and footnotes are not read; tracked insertions are, deletions are not. Hidden letters, those in the colour of
their ground or too small to read, deletions and comments are left out and counted. It does not know colours of themes
that change with the theme alone, nor the background of a page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any

from ingest.clean import clean_line, clean_lines
from ingest.parsers.archive import BROKEN_PART, check_archive
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.grid import Grid, is_value
from ingest.parsers.hidden import Colour, Look, Tally, read_colour
from rag.errors import DocumentError

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_VAL = f"{_W}val"
_HEADING = re.compile(r"(?:heading|标题|標題)\s*(\d)", re.IGNORECASE)
_OFF = ("0", "false", "off", "none")


def parse_docx(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a Word document.

    Raises:
        DocumentError: broken, or of absurd size.
    """
    import docx

    data = stream.read()
    check_archive(data, source)
    try:
        document = docx.Document(io.BytesIO(data))
        reader = _Reader(document)
        blocks = list(reader.blocks())
        reader.count_unread()
        title = clean_line(document.core_properties.title or "")
    except (KeyError, ValueError, SyntaxError, AttributeError, *BROKEN_PART) as error:
        raise DocumentError(f"{source}: not a readable Word document ({error}). Save it again as .docx.") from error
    yield compose(blocks, source, kind="docx", title=title, metadata=reader.tally.metadata())


class _Reader:
    """One document being read: the looks of its styles, and what was left out."""

    def __init__(self, document: Any) -> None:
        self.document, self.tally = document, Tally()
        self.levels = {style.style_id: _level(style.name or "") for style in document.styles if style.type == 1}
        self.styles = {style.get(f"{_W}styleId"): style for style in document.styles.element.iter(f"{_W}style")}
        self.default = self._changed(Look(), document.styles.element.find(f"{_W}docDefaults/{_W}rPrDefault/{_W}rPr"))

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the body in order."""
        caption = ""
        for node in self.document.element.body.iter(f"{_W}p", f"{_W}tbl"):
            if node.tag == f"{_W}tbl":
                if _within(node, "tc"):
                    continue
                yield Grid(self._rows(node), caption=caption, notes=[caption])
                caption = ""
            elif not _within(node, "tc") and not _within(node, "txbxContent"):
                lines = [line for line in clean_lines(self._text(node)) if line]
                level = self.levels.get(_style_of(node, "pPr", "pStyle"), 0)
                if level and lines:
                    caption = " ".join(lines)
                    yield Title(caption, level)
                elif lines:
                    caption = lines[-1] if len(lines[-1]) < 120 else caption
                    yield from (Prose(line) for line in lines)

    def count_unread(self) -> None:
        """Count what is never read: deletions and comments."""
        from docx.oxml import parse_xml

        for node in self.document.element.body.iter(f"{_W}delText"):
            self.tally.add("deleted", node.text or "")
        for part in self.document.part.package.iter_parts():
            if re.fullmatch(r"/word/comments\d*\.xml", str(part.partname)):
                words = (node.text or "" for node in parse_xml(part.blob).iter(f"{_W}t"))
                self.tally.add("comment", " ".join(words))

    def _text(self, node: Any) -> str:
        """Return the text under an element; tabs are blanks, breaks are new lines, what is not seen has gone."""
        parts: list[str] = []
        ground: Look | None = None
        for child in node.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr"):
            if _within(child, "txbxContent") or child.getparent().tag == f"{_W}tabs":
                continue
            name = child.tag.removeprefix(_W)
            if name != "t":
                parts.append(" " if name == "tab" else "\n")
                continue
            ground = ground or self._paragraph_look(node)
            kind = self._unseen(child, ground)
            if kind:
                self.tally.add(kind, child.text or "")
            else:
                parts.append(child.text or "")
        return "".join(parts)

    def _unseen(self, text: Any, look: Look) -> str:
        """Return how the run of a text is hidden, "" where it is seen."""
        if _within(text, "moveFrom") or _within(text, "del"):
            return "deleted"
        run = text.getparent()
        marks = run.find(f"{_W}rPr")
        if marks is None:
            return look.unseen()
        style = self._chain(_style_of(run, "rPr", "rStyle"))
        layers = [layer for layer in (*(s.find(f"{_W}rPr") for s in style), marks) if layer is not None]
        for layer in layers:
            look = self._changed(look, layer)
        vanish = [
            mark for layer in layers for name in ("vanish", "specVanish") if (mark := _flag(layer, name)) is not None
        ]
        return "hidden letters" if vanish and vanish[-1] else look.unseen()

    def _paragraph_look(self, paragraph: Any) -> Look:
        """Return how plain text of a paragraph looks; a hidden style makes it of no size."""
        look = self.default
        for table in reversed(list(paragraph.iterancestors(f"{_W}tbl"))):
            look = self._in_table(look, table)
        for cell in reversed(list(paragraph.iterancestors(f"{_W}tc"))):
            look = _shaded(look, cell.find(f"{_W}tcPr/{_W}shd"))
        for style in self._chain(_style_of(paragraph, "pPr", "pStyle")):
            marks = style.find(f"{_W}rPr")
            look = _shaded(self._changed(look, marks), style.find(f"{_W}pPr/{_W}shd"))
            if marks is not None and _flag(marks, "vanish"):
                look = replace(look, size=0.0)
        return _shaded(look, paragraph.find(f"{_W}pPr/{_W}shd"))

    def _in_table(self, look: Look, table: Any) -> Look:
        """A table's own shade; that of a table style lies under some of its cells, which ones is not known."""
        for style in self._chain(_style_of(table, "tblPr", "tblStyle")):
            fills = [shade.get(f"{_W}fill") for shade in style.iter(f"{_W}shd")]
            if any(fill not in (None, "auto") and fill.upper() != "FFFFFF" for fill in fills):
                look = replace(look, background=None)
        return _shaded(look, table.find(f"{_W}tblPr/{_W}shd"))

    def _chain(self, name: str) -> list[Any]:
        """Return a style and those it is based on, the most general first."""
        found: list[Any] = []
        while name in self.styles and len(found) < 20:
            style = self.styles[name]
            found.append(style)
            base = style.find(f"{_W}basedOn")
            name = base.get(_VAL) or "" if base is not None else ""
        return found[::-1]

    def _changed(self, look: Look, marks: Any) -> Look:
        if marks is None:
            return look
        size, colour = marks.find(f"{_W}sz"), marks.find(f"{_W}color")
        if size is not None and (size.get(_VAL) or "").isdigit():
            look = replace(look, size=int(size.get(_VAL)) / 2 * 4 / 3)
        if colour is not None:
            look = replace(look, colour=_colour(colour.get(_VAL)) or Look().colour)
        light = marks.find(f"{_W}highlight")
        if light is not None and (light.get(_VAL) or "none") not in ("none", "white"):
            look = replace(look, background=None)
        return _shaded(look, marks.find(f"{_W}shd"))

    def _rows(self, table: Any) -> list[list[str]]:
        """Return the texts of a table with merged cells written out: a label is repeated, a number is not."""
        rows: list[list[str]] = []
        for row in table.findall(f"{_W}tr"):
            marks = row.find(f"{_W}trPr")
            gone = "" if marks is None else "hidden row" if _flag(marks, "hidden") else ""
            if gone or (marks is not None and marks.find(f"{_W}del") is not None):
                self.tally.add(gone or "deleted", " ".join(node.text or "" for node in row.iter(f"{_W}t")))
                continue
            line: list[str] = []
            for cell in row.iterchildren(f"{_W}tc", f"{_W}sdt"):
                span = cell.find(f"{_W}tcPr/{_W}gridSpan")
                merge = cell.find(f"{_W}tcPr/{_W}vMerge")
                width = int(span.get(_VAL) or 1) if span is not None else 1
                text = clean_line(" ".join(self._text(paragraph) for paragraph in cell.iter(f"{_W}p")))
                if merge is not None and merge.get(_VAL) != "restart" and rows and len(line) < len(rows[-1]):
                    text = "" if is_value(rows[-1][len(line)]) else rows[-1][len(line)]
                line += [text, *["" if is_value(text) else text] * (max(1, min(width, 200)) - 1)]
            rows.append(line)
        return rows


def _level(style: str) -> int:
    found = _HEADING.search(style)
    return min(6, int(found.group(1)) or 1) if found else 1 if style.lower() == "title" else 0


def _within(node: Any, name: str) -> bool:
    return next(node.iterancestors(f"{_W}{name}"), None) is not None


def _style_of(node: Any, marks: str, name: str) -> str:
    style = node.find(f"{_W}{marks}/{_W}{name}")
    return style.get(_VAL) or "" if style is not None else ""


def _flag(marks: Any, name: str) -> bool | None:
    """Return a switch of Word: on where it stands without a value; None where it does not stand."""
    found = marks.find(f"{_W}{name}")
    return None if found is None else (found.get(_VAL) or "1").lower() not in _OFF


def _colour(text: str | None) -> Colour | None:
    return read_colour(f"#{text}") if text and text != "auto" else None


def _shaded(look: Look, shade: Any) -> Look:
    if shade is None:
        return look
    solid = shade.get(_VAL) == "solid"
    fill = shade.get(f"{_W}color") if solid else shade.get(f"{_W}fill")
    colour = _colour(fill)
    return look if colour is None else replace(look, background=colour)
