"""PPTX to blocks: a slide is a page; its title, texts from top to bottom, tables, charts as tables, then its notes.

The speaker's notes stand behind the slide under a heading of their own. Hidden slides and shapes, what lies off the
slide, letters in the colour of their ground or too small to read and comments are left out and counted. It does not
know colours that depend on pictures: text over a picture counts as seen. Alternative texts are not read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from ingest.clean import clean_line
from ingest.parsers.archive import BROKEN_PART, check_archive
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.grid import Grid
from ingest.parsers.hidden import BLACK, WHITE, Colour, Look, Tally, read_colour
from ingest.pulse import beat
from rag.errors import DocumentError
from rag.language import has_han
from rag.schema import Scalar

MAX_GROUPS = 20  # groups within groups
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_LIGHT, _DARK = ("bg1", "lt1", "bg2", "lt2"), ("tx1", "dk1", "tx2", "dk2")


def parse_pptx(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a presentation.

    Raises:
        DocumentError: broken, or of absurd size, or without a slide that is shown.
    """
    import pptx

    data = stream.read()
    check_archive(data, source)
    tally = Tally()
    metadata: dict[str, Scalar] = {}
    try:
        deck = pptx.Presentation(io.BytesIO(data))
        blocks: list[Block] = []
        hidden: list[str] = []
        for number, slide in enumerate(deck.slides, start=1):
            beat()
            reader = _Slide(slide, number, (deck.slide_width or 0, deck.slide_height or 0), tally)
            if slide._element.get("show") in ("0", "false"):
                hidden.append(str(number))
                tally.add("hidden slide", " ".join(node.text or "" for node in slide._element.iter(f"{_A}t")))
            else:
                blocks += reader.blocks()
        _count_comments(deck, tally)
        title = clean_line(deck.core_properties.title or "")
        count = len(deck.slides)
    except (KeyError, ValueError, SyntaxError, TypeError, AttributeError, IndexError, *BROKEN_PART) as error:
        raise DocumentError(f"{source}: not a readable presentation ({error}). Save it again as .pptx.") from error
    if hidden:
        metadata["hidden_slides"] = ", ".join(hidden)
    title = "" if title.lower() == "powerpoint presentation" else title
    yield compose(blocks, source, kind="pptx", title=title, pages=count, metadata={**metadata, **tally.metadata()})


def _count_comments(deck: Any, tally: Tally) -> None:
    for part in deck.part.package.iter_parts():
        if re.match(r"/ppt/comments/", str(part.partname)):
            words = re.findall(rb"<(?:\w+:)?(?:text|t)(?:\s[^<>]*)?>([^<]*)(?=<)", part.blob)
            tally.add("comment", b" ".join(words).decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class _Box:
    """A place on the slide, in EMU."""

    left: float
    top: float
    width: float
    height: float

    def meets(self, other: _Box) -> bool:
        """Tell whether two boxes have a place in common."""
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.top < other.top + other.height and other.top < self.top + self.height


@dataclass(frozen=True, slots=True)
class _Placed:
    """A shape, where it is, and what it shows behind text: a colour, None for a picture; `bare`: nothing."""

    shape: Any
    box: _Box | None
    ground: Colour | None
    bare: bool


class _Slide:
    """One slide being read."""

    def __init__(self, slide: Any, number: int, size: tuple[int, int], tally: Tally) -> None:
        self.slide, self.number, self.tally = slide, number, tally
        self.page = _Box(0, 0, *size)
        mapping = slide.slide_layout.slide_master._element.find(f"{_P}clrMap")
        self.dark = mapping is not None and (mapping.get("bg1") or "").startswith("dk")

    def blocks(self) -> Iterator[Block]:
        """Yield what the slide shows, then its notes."""
        layout = self.slide.slide_layout
        behind = [p for part in (layout.slide_master, layout) for p in self._placed(part.shapes) if not p.bare]
        placed = list(self._placed(self.slide.shapes))
        title = self.slide.shapes.title
        chosen = [(p, i) for i, p in enumerate(placed) if self._is_on(p)]
        chosen.sort(key=lambda pair: _order(pair[0], title))
        name = ""
        for one, i in chosen:
            under = [*behind, *placed[:i]]
            is_title = title is not None and one.shape.shape_id == title.shape_id
            for block in self._shape(one, under, name):
                if is_title and isinstance(block, Prose):
                    name = block.text
                    yield Title(block.text, 2, self.number)
                else:
                    yield block
        yield from self._notes()

    def _notes(self) -> Iterator[Block]:
        if not self.slide.has_notes_slide:
            return
        frame = self.slide.notes_slide.notes_text_frame
        lines = [line for line in map(clean_line, frame.text.splitlines()) if line] if frame is not None else []
        if lines:
            chinese = has_han("".join(lines))
            yield Title(f"第{self.number}页备注" if chinese else f"Notes to slide {self.number}", 3, self.number)
            yield from (Prose(line, self.number) for line in lines)

    def _placed(self, shapes: Any, move: _Move | None = None, depth: int = 0) -> Iterator[_Placed]:
        """Yield the shapes that are no groups, in the order in which they lie over each other."""
        for shape in shapes:
            box = _box(shape, move)
            if shape.shape_type == 6 and depth < MAX_GROUPS and not _is_hidden(shape):  # a group
                yield from self._placed(shape.shapes, _Move.of(shape, box), depth + 1)
                continue
            ground, bare = self._ground(shape)
            yield _Placed(shape, box, ground, bare)

    def _is_on(self, placed: _Placed) -> bool:
        """Tell whether a shape is on the slide; what is not is counted."""
        off = placed.box is not None and not placed.box.meets(self.page)
        kind = "hidden shape" if _is_hidden(placed.shape) else "off the slide" if off else ""
        if kind:
            self.tally.add(kind, " ".join(node.text or "" for node in placed.shape._element.iter(f"{_A}t")))
        return not kind

    def _shape(self, placed: _Placed, under: Sequence[_Placed], caption: str) -> Iterator[Block]:
        shape = placed.shape
        if getattr(shape, "has_table", False):
            rows = [["" if cell.is_spanned else cell.text for cell in row.cells] for row in shape.table.rows]
            yield Grid(rows, caption=caption, notes=[caption], page=self.number)
        elif getattr(shape, "has_chart", False):
            yield from self._chart(shape.chart, caption)
        elif getattr(shape, "has_text_frame", False):
            look = Look(background=self._behind(placed, under))
            for paragraph in shape.text_frame._element.iter(f"{_A}p"):
                text = "".join(self._run(node, look) for node in paragraph.iter(f"{_A}t", f"{_A}br"))
                yield from (Prose(line, self.number) for line in map(clean_line, text.split("\n")) if line)
        else:
            yield from self._diagram(shape)

    def _run(self, node: Any, look: Look) -> str:
        if node.tag == f"{_A}br":
            return "\n"
        marks = node.getparent().find(f"{_A}rPr")
        if marks is not None:
            size, fill = marks.get("sz") or "", marks.find(f"{_A}solidFill")
            if size.isdigit():
                look = replace(look, size=int(size) / 100 * 4 / 3)
            colour = self._colour(fill)
            look = replace(look, colour=colour) if colour is not None else look
        kind = look.unseen()
        if kind:
            self.tally.add(kind, node.text or "")
        return "" if kind else node.text or ""

    def _chart(self, chart: Any, caption: str) -> Iterator[Block]:
        if chart.has_title and chart.chart_title.has_text_frame:
            caption = clean_line(chart.chart_title.text_frame.text) or caption
        for plot in chart.plots:
            series = list(plot.series)
            names = [str(category) for category in plot.categories]
            values = [[f"{value:,.12g}" if value is not None else "" for value in one.values] for one in series]
            columns = [["", *(clean_line(one.name or "") for one in series)]]
            columns += [[name, *(v[i] if i < len(v) else "" for v in values)] for i, name in enumerate(names)]
            yield Grid(columns, caption=caption, notes=[caption], header_rows=1, page=self.number)

    def _diagram(self, shape: Any) -> Iterator[Block]:
        """Yield the texts of a diagram (SmartArt), whose words stand in a part of their own."""
        for node in shape._element.iter():
            name = next((key for key in node.attrib if str(key).endswith("}dm")), None)
            if name is None:
                continue
            blob = self.slide.part.related_part(node.get(name)).blob
            for words in re.findall(rb"<a:t>([^<]*)</a:t>", blob):
                text = clean_line(words.decode("utf-8", "replace"))
                if text:
                    yield Prose(text, self.number)

    def _colour(self, fill: Any) -> Colour | None:
        """Return the colour that a fill says; None where it is not known."""
        if fill is None or not len(fill):
            return None
        named = fill[0]
        value = named.get("val") or ""
        alpha = named.find(f"{_A}alpha")
        shine = int(alpha.get("val") or 100_000) / 100_000 if alpha is not None else 1.0
        if named.tag == f"{_A}srgbClr":
            found = read_colour(f"#{value}")
        elif named.tag == f"{_A}schemeClr" and len(named) == (alpha is not None):
            found = (
                WHITE if value in (_DARK if self.dark else _LIGHT) else BLACK if value in (*_DARK, *_LIGHT) else None
            )
        else:
            found = None
        return (*found[:3], shine) if found else None

    def _ground(self, shape: Any) -> tuple[Colour | None, bool]:
        """Return what a shape shows behind text, and whether it shows nothing."""
        marks = shape._element.find(f"{_P}spPr")
        if marks is None:
            return None, False
        if marks.find(f"{_A}solidFill") is not None:
            return self._colour(marks.find(f"{_A}solidFill")), False
        other = any(marks.find(f"{_A}{name}") is not None for name in ("gradFill", "blipFill", "pattFill", "grpFill"))
        styled = shape._element.find(f"{_P}style") is not None and marks.find(f"{_A}noFill") is None
        return None, not (other or styled)

    def _behind(self, placed: _Placed, under: Sequence[_Placed]) -> Colour | None:
        """Return the colour behind the text of a shape: its own, that of shapes below it, that of the slide."""
        if not placed.bare:
            return placed.ground
        for other in reversed(under):
            if not other.bare and (placed.box is None or other.box is None or other.box.meets(placed.box)):
                return other.ground
        layout = self.slide.slide_layout
        for part in (self.slide, layout, layout.slide_master):
            found = part._element.find(f"{_P}cSld/{_P}bg")
            if found is not None:
                fill = found.find(f"{_P}bgPr/{_A}solidFill")
                return self._colour(fill if fill is not None else found.find(f"{_P}bgRef"))
        return WHITE


@dataclass(frozen=True, slots=True)
class _Move:
    """How the places within a group lie on the slide."""

    left: float
    top: float
    across: float
    down: float

    @classmethod
    def of(cls, group: Any, box: _Box | None) -> _Move | None:
        """Read the inner frame of a group; None where it has none."""
        marks = group._element.find(f"{_P}grpSpPr/{_A}xfrm")
        start, size = (marks.find(f"{_A}{name}") if marks is not None else None for name in ("chOff", "chExt"))
        if box is None or start is None or size is None:
            return None
        across = box.width / max(1, int(size.get("cx")))
        down = box.height / max(1, int(size.get("cy")))
        return cls(box.left - int(start.get("x")) * across, box.top - int(start.get("y")) * down, across, down)


def _box(shape: Any, move: _Move | None) -> _Box | None:
    sides = (shape.left, shape.top, shape.width, shape.height)
    if any(side is None for side in sides):
        return None
    left, top, width, height = (float(side) for side in sides)
    if move is None:
        return _Box(left, top, width, height)
    return _Box(move.left + left * move.across, move.top + top * move.down, width * move.across, height * move.down)


def _order(placed: _Placed, title: Any) -> tuple[bool, float, float]:
    """The title first, then from top to bottom; within a fifth of an inch from left to right."""
    box = placed.box
    is_title = title is not None and placed.shape.shape_id == title.shape_id
    return (not is_title, box.top // 200_000 if box else 0.0, box.left if box else 0.0)


def _is_hidden(shape: Any) -> bool:
    return any(node.get("hidden") in ("1", "true") for node in shape._element.xpath("./*/p:cNvPr"))
