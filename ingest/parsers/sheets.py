"""XLSX to blocks: each sheet shown is a section, each block of rows between empty rows a table or a note.

Hidden sheets, rows and columns are common and mostly honest; a reader does not see them, so they are left out, counted
and named in the metadata. Letters in the colour of their ground, and values whose format shows nothing, are too.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ingest.clean import clean_line
from ingest.parsers.archive import BROKEN_PART, check_archive
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.grid import Grid
from ingest.parsers.hidden import BLACK, WHITE, Colour, Tally, blends, read_colour
from ingest.pulse import beat
from rag.errors import DocumentError
from rag.schema import Scalar

MAX_BLANK_ROWS = 2_000  # of a sheet, after which it counts as ended
MAX_COLUMNS = 16_384  # of a row: no spreadsheet program allows more
MAX_CELLS = 20_000_000  # of a sheet, empty ones between others counted, after which the rest is not read
_DIGIT = re.compile(r"\d")
_DULL_SHEET = re.compile(r"(?:sheet|工作表|表)\s*\d*", re.IGNORECASE)
_CURRENCY_FORMAT = re.compile(r"\[\$([^\]-]*)[^\]]*\]|\"([$€£¥￥])\"|([$€£¥￥])")
_SENTENCE_END = re.compile(r"(?<=[.)])\s+(?=[A-Z])|(?<=。)")
_HIDDEN_TAG = re.compile(rb"<(?:\w+:)?(row|col)\s[^<>]*?\bhidden=[\"'](?:1|true)[\"'][^<>]*>")
_ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_NUMBER = {name: re.compile(rb"\b%s=[\"'](\d+)[\"']" % name) for name in (b"r", b"min", b"max")}
_COMMENT = re.compile(r"xl/(?:threadedComments/threadedComment|comments/?comment|comments)\w*\.xml")
_COMMENT_TEXT = re.compile(rb"<(?:\w+:)?(?:t|text)(?:\s[^<>]*)?>([^<]*)(?=<)")


def parse_xlsx(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a workbook.

    Values are those last computed by the program that saved the file; formulas are not computed here.

    Raises:
        DocumentError: broken, or of absurd size, or with absurdly many columns, or without a sheet that is shown.
    """
    import openpyxl

    data = stream.read()
    check_archive(data, source)
    tally, metadata, notes = Tally(), dict[str, Scalar](), list[str]()
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        hidden = {sheet.title: _hidden_of(sheet, source) for sheet in book.worksheets}
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        blocks: list[Block] = []
        for sheet in shown:
            reader = _Sheet(sheet, tally, *hidden[sheet.title])
            blocks += reader.blocks(alone=len(shown) == 1)
            reader.tell(metadata, notes)
        unseen = [sheet for sheet in book.worksheets if sheet.sheet_state != "visible"]
        for sheet in unseen:
            _count(sheet, tally)
        title = clean_line(book.properties.title or "")
        book.close()
        _count_comments(data, tally)
    except (KeyError, ValueError, SyntaxError, TypeError, AttributeError, IndexError, *BROKEN_PART) as error:
        raise DocumentError(f"{source}: not a readable workbook ({error}). Save it again as .xlsx.") from error
    if unseen:
        metadata["hidden_sheets"] = ", ".join(clean_line(sheet.title) for sheet in unseen)[:500]
    if unseen and not blocks:
        raise DocumentError(f"{source}: every sheet is hidden or empty. Show the sheets that are to be read.")
    parsed = compose(blocks, source, kind="xlsx", title=title, metadata={**metadata, **tally.metadata()})
    yield Parsed(parsed.document, parsed.headings, tuple(notes))


def _hidden_of(sheet: Any, source: str) -> tuple[set[int], list[tuple[int, int]]]:
    """Return the hidden rows and the runs of hidden columns (both from 1) of a sheet, read from its file.

    Raises:
        DocumentError: a row of it has more cells than there can be columns.
    """
    rows: set[int] = set()
    columns: list[tuple[int, int]] = []
    tail, width = b"", 0
    with sheet._get_source() as part:
        while block := part.read(1 << 20):
            text = tail + block
            tail = text[text.rfind(b"<") :][:4096] if text.rfind(b"<") > text.rfind(b">") else b""  # a tag cut in two
            text = text.removesuffix(tail)
            for found in _HIDDEN_TAG.finditer(text):
                numbers = {name: pattern.search(found.group()) for name, pattern in _NUMBER.items()}
                row, low, high = (int(hit.group(1)) if hit else 0 for hit in numbers.values())
                if found.group(1) == b"row":
                    rows.add(row)
                else:
                    columns.append((low, high))
            first, *others = (len(_CELL.findall(cells)) for cells in _ROW.split(text))
            if max(width + first, *others, 0) > MAX_COLUMNS:
                raise DocumentError(
                    f"{source}: a row of sheet {sheet.title!r} has more than {MAX_COLUMNS:,} columns, the most that "
                    "spreadsheet programs allow. Save it with fewer, or as CSV."
                )
            width = others[-1] if others else width + first
    return rows, columns


def _count(sheet: Any, tally: Tally) -> None:
    """Count the words of a hidden sheet."""
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if number % 1000 == 0:
            beat()
        if number > MAX_CELLS // 1000:
            break
        tally.add("hidden sheet", " ".join(str(value) for value in row if value is not None))


def _count_comments(data: bytes, tally: Tally) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if _COMMENT.fullmatch(name):
                words = b" ".join(_COMMENT_TEXT.findall(archive.read(name)))
                tally.add("comment", words.decode("utf-8", "replace"))


@dataclass(slots=True)
class _Sheet:
    """One sheet being read."""

    sheet: Any
    tally: Tally
    hidden_rows: set[int]
    hidden_columns: list[tuple[int, int]]
    seen: dict[Any, bool] = field(default_factory=dict)  # style: whether its text is seen
    cut_at: int = 0

    def tell(self, metadata: dict[str, Scalar], notes: list[str]) -> None:
        """Add what was left out of this sheet to the metadata of the book, and what was not read to the notes."""
        columns = sum(min(high, 16_384) - low + 1 for low, high in self.hidden_columns)
        for key, count in (("hidden_rows", len(self.hidden_rows)), ("hidden_columns", columns)):
            if count:
                metadata[key] = int(metadata.get(key) or 0) + count
        if self.cut_at:
            notes.append(f"sheet {self.sheet.title!r}: not read from row {self.cut_at:,}; split the workbook.")

    def blocks(self, *, alone: bool) -> Iterator[Block]:
        """Yield the heading, the notes and the tables of the sheet."""
        name = clean_line(self.sheet.title)
        dull = _DULL_SHEET.fullmatch(name) is not None
        if not (alone and dull):
            yield Title(name, 2)
        named = caption = "" if dull else name
        notes: list[str] = []
        for group in self._groups():
            rows = [row for _, row in group]
            if max(sum(bool(cell) for cell in row) for row in rows) < 2:
                lines = [next(cell for cell in row if cell) for row in rows]
                notes = [*reversed(lines), *notes][:4]
                caption = _SENTENCE_END.split(lines[0], maxsplit=1)[0]  # tables of one sheet differ by the line above
                yield from (Prose(line) for line in lines)
            else:
                title = "" if _titled(rows) else caption
                yield Grid(rows, caption=title, notes=[*notes, caption, named], names=self._names(group))
                caption = named

    def _names(self, group: list[tuple[int, list[str]]]) -> dict[tuple[int, int], str]:
        """Return the addresses of the figures: "Income!B4"."""
        from openpyxl.utils import get_column_letter

        places = (
            (i, j, number) for i, (number, row) in enumerate(group) for j, text in enumerate(row) if _DIGIT.search(text)
        )
        return {(i, j): f"{self.sheet.title}!{get_column_letter(j + 1)}{number}" for i, j, number in places}

    def _groups(self) -> Iterator[list[tuple[int, list[str]]]]:
        """Yield the runs of rows that are not empty, with their numbers, their cells as they are shown."""
        self.sheet.reset_dimensions()
        group: list[tuple[int, list[str]]] = []
        blank = read = 0
        for number, cells in enumerate(self.sheet.iter_rows(), start=1):
            if number % 1000 == 0:
                beat()
            read += len(cells)
            if blank > MAX_BLANK_ROWS or read > MAX_CELLS:
                self.cut_at = number if read > MAX_CELLS else 0
                break
            if number in self.hidden_rows:
                self.tally.add("hidden row", " ".join(map(_shown, cells)))
                continue
            row = [self._visible(cell) for cell in cells]
            while row and not row[-1]:
                row.pop()
            if row:
                group.append((number, row))
                blank = 0
                continue
            blank += 1
            if group:
                yield group
                group = []
        if group:
            yield group

    def _visible(self, cell: Any) -> str:
        """Return the text of a cell where it is seen."""
        if cell.value is None:
            return ""
        text = _shown(cell)
        if any(low <= cell.column <= high for low, high in self.hidden_columns):
            self.tally.add("hidden column", text)
            return ""
        style = cell.style_array
        if style not in self.seen:
            self.seen[style] = not blends(_colour(cell.font.color) or BLACK, _ground(cell.fill))
        if not self.seen[style]:
            self.tally.add("colour of its ground", text)
            return ""
        if (cell.number_format or "").replace(" ", "") == ";;;":
            self.tally.add("format that shows nothing", text)
            return ""
        return text


def _colour(colour: Any) -> Colour | None:
    """Return a colour of a cell where it is said as such, or is the theme's white or black."""
    if colour is None:
        return None
    if colour.type == "rgb" and isinstance(colour.rgb, str):
        return read_colour(f"#{colour.rgb[-6:]}")
    if colour.type == "theme" and not colour.tint:
        return {0: WHITE, 1: BLACK}.get(colour.theme)
    return {1: WHITE, 9: WHITE, 0: BLACK, 8: BLACK}.get(colour.indexed) if colour.type == "indexed" else None


def _ground(fill: Any) -> Colour | None:
    kind = getattr(fill, "patternType", None)
    if kind is None and not hasattr(fill, "stop"):
        return WHITE
    return _colour(fill.fgColor) if kind == "solid" else None


def _titled(rows: Sequence[Sequence[str]]) -> bool:
    return len(rows) > 2 and sum(bool(cell) for cell in rows[0]) == 1 and bool(rows[0][0])


def _shown(cell: Any) -> str:
    """Write a cell as the sheet shows it, nearly: percent, decimals, thousands and currency follow its format."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return _number(value, str(getattr(cell, "number_format", None) or "General"))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return clean_line(str(value))


def _number(value: float, form: str) -> str:
    form = form.split(";")[0]
    found = re.search(r"0\.(0+)", form)
    percent = "%" in form
    amount = value * 100 if percent else value
    comma = "," if "#,#" in form or "0,0" in form else ""
    if form == "General" or "0" not in form:
        text = f"{amount:{comma}}" if isinstance(amount, int) else f"{amount:.10g}"
    else:
        text = f"{amount:{comma}.{len(found.group(1)) if found else 0}f}"
    money = _CURRENCY_FORMAT.search(form)
    sign = next((group for group in money.groups() if group), "") if money else ""
    text = f"-{sign}{text[1:]}" if text.startswith("-") else f"{sign}{text}"
    return text + ("%" if percent else "")
