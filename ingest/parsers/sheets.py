"""XLSX to blocks: each sheet shown is a section, each block of rows between empty rows a table or a note.

Hidden sheets, rows and columns are common and mostly honest; a reader does not see them, so they are left out, counted
and named in the metadata. Letters in the colour of their ground, and values whose format shows nothing, are too.
"""

from __future__ import annotations

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
from ingest.parsers.hidden import Tally
from ingest.parsers.sheet_cells import Style, hidden_of, rows_of, style_of, text_of
from rag.errors import DocumentError
from rag.schema import Scalar

MAX_BLANK_ROWS = 2_000  # of a sheet, after which it counts as ended
MAX_CELLS = 20_000_000  # of a sheet, empty ones between others counted, after which the rest is not read
_DIGIT = re.compile(r"\d")
_DULL_SHEET = re.compile(r"(?:sheet|工作表|表)\s*\d*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.)])\s+(?=[A-Z])|(?<=。)")
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
        hidden = {sheet.title: hidden_of(sheet, source) for sheet in book.worksheets}
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


def _count(sheet: Any, tally: Tally) -> None:
    """Count the words of a hidden sheet."""
    for read, (_, cells) in enumerate(rows_of(sheet)):
        if read > MAX_CELLS // 1000:
            break
        tally.add("hidden sheet", " ".join(str(cell["value"]) for cell in cells if cell["value"] is not None))


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
    styles: dict[int, Style] = field(default_factory=dict)
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
        group: list[tuple[int, list[str]]] = []
        before = blank = read = 0
        for number, cells in rows_of(self.sheet):
            blank += number - before - 1
            read += max((cell["column"] for cell in cells), default=0)
            before = number
            if blank > MAX_BLANK_ROWS or read > MAX_CELLS:
                self.cut_at = number if read > MAX_CELLS else 0
                break
            if number in self.hidden_rows:
                self.tally.add("hidden row", " ".join(text_of(cell["value"], self._style(cell).form) for cell in cells))
                continue
            row = self._row(cells)
            if not row:
                blank += 1
                continue
            if blank and group:
                yield group
                group = []
            group.append((number, row))
            blank = 0
        if group:
            yield group

    def _row(self, cells: Sequence[dict[str, Any]]) -> list[str]:
        """Return the texts of a row as far as they are seen, without empty ones at its end."""
        row: list[str] = []
        for cell in cells:
            text = self._visible(cell) if cell["value"] is not None else ""
            if text:
                row += [""] * (cell["column"] - len(row))
                row[cell["column"] - 1] = text
        return row

    def _visible(self, cell: dict[str, Any]) -> str:
        """Return the text of a cell where it is seen."""
        style, column = self._style(cell), cell["column"]
        text = text_of(cell["value"], style.form)
        hidden = any(low <= column <= high for low, high in self.hidden_columns)
        unseen = "hidden column" if hidden else style.unseen
        if unseen:
            self.tally.add(unseen, text)
            return ""
        return text

    def _style(self, cell: dict[str, Any]) -> Style:
        found = self.styles.get(cell["style_id"])
        if found is None:
            found = self.styles[cell["style_id"]] = style_of(self.sheet, cell)
        return found


def _titled(rows: Sequence[Sequence[str]]) -> bool:
    return len(rows) > 2 and sum(bool(cell) for cell in rows[0]) == 1 and bool(rows[0][0])
