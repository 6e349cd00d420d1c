"""DOCX and XLSX to blocks: paragraphs, headings and tables of a document in order; the tables of each sheet shown.

Archives that unpack to absurd sizes are refused before anything is read. Text boxes, comments and footnotes are not
read; tracked insertions are, deletions are not.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

from ingest.clean import clean_line, clean_lines
from ingest.parsers.blocks import Block, Parsed, Prose, Title, compose
from ingest.parsers.grid import Grid, is_value
from rag.errors import DocumentError

MAX_UNPACKED = 1_500_000_000  # bytes of all parts of an archive together
MAX_RATIO = 150  # unpacked to packed, for parts that matter (above 50 MB)
MAX_BLANK_ROWS = 2_000  # of a sheet, after which it counts as ended
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING = re.compile(r"(?:heading|标题|標題)\s*(\d)", re.IGNORECASE)
_DULL_SHEET = re.compile(r"(?:sheet|工作表|表)\s*\d*", re.IGNORECASE)
_CURRENCY_FORMAT = re.compile(r"\[\$([^\]-]*)[^\]]*\]|\"([$€£¥￥])\"|([$€£¥￥])")


def _check_archive(data: bytes, source: str) -> None:
    """Refuse broken archives and those that unpack to absurd sizes.

    Raises:
        DocumentError: either of the two.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DocumentError(f"{source}: the file is broken ({error}). Save or download it again.") from error
    total = sum(part.file_size for part in parts)
    bomb = any(p.file_size > 50_000_000 and p.file_size > MAX_RATIO * max(1, p.compress_size) for p in parts)
    if total > MAX_UNPACKED or bomb:
        raise DocumentError(
            f"{source}: {len(data):,} bytes would unpack to {total:,}; at most {MAX_UNPACKED:,} and {MAX_RATIO} times "
            "the packed size are read. Save it anew or split it."
        )


def parse_docx(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a Word document.

    Raises:
        DocumentError: broken, or of absurd size.
    """
    import docx

    data = stream.read()
    _check_archive(data, source)
    try:
        document = docx.Document(io.BytesIO(data))
        blocks = list(_docx_blocks(document))
        title = clean_line(document.core_properties.title or "")
    except (KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise DocumentError(f"{source}: not a readable Word document ({error}). Save it again as .docx.") from error
    yield compose(blocks, source, kind="docx", title=title)


def _docx_blocks(document: Any) -> Iterator[Block]:
    levels = {style.style_id: _level(style.name or "") for style in document.styles if style.type == 1}
    caption = ""
    for node in document.element.body.iter(f"{_W}p", f"{_W}tbl"):
        if node.tag == f"{_W}tbl":
            if _within(node, "tc"):
                continue
            yield Grid(_docx_rows(node), caption=caption, notes=[caption])
            caption = ""
        elif not _within(node, "tc") and not _within(node, "txbxContent"):
            lines = [line for line in clean_lines(_docx_text(node)) if line]
            style = node.find(f"{_W}pPr/{_W}pStyle")
            level = levels.get(style.get(f"{_W}val"), 0) if style is not None else 0
            if level and lines:
                caption = " ".join(lines)
                yield Title(caption, level)
            elif lines:
                caption = lines[-1] if len(lines[-1]) < 120 else caption
                yield from (Prose(line) for line in lines)


def _level(style: str) -> int:
    found = _HEADING.search(style)
    return min(6, int(found.group(1)) or 1) if found else 1 if style.lower() == "title" else 0


def _within(node: Any, name: str) -> bool:
    return next(node.iterancestors(f"{_W}{name}"), None) is not None


def _docx_text(node: Any) -> str:
    """Return the text under an element; tabs are blanks, breaks are new lines, deleted text has gone."""
    parts: list[str] = []
    for child in node.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr"):
        if _within(child, "txbxContent") or child.getparent().tag == f"{_W}tabs":
            continue
        name = child.tag.removeprefix(_W)
        parts.append(child.text or "" if name == "t" else " " if name == "tab" else "\n")
    return "".join(parts)


def _docx_rows(table: Any) -> list[list[str]]:
    """Return the texts of a table with merged cells written out: a label is repeated, a number is not."""
    rows: list[list[str]] = []
    for row in table.findall(f"{_W}tr"):
        line: list[str] = []
        for cell in row.iterchildren(f"{_W}tc", f"{_W}sdt"):
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            merge = cell.find(f"{_W}tcPr/{_W}vMerge")
            width = int(span.get(f"{_W}val") or 1) if span is not None else 1
            text = clean_line(" ".join(_docx_text(paragraph) for paragraph in cell.iter(f"{_W}p")))
            if merge is not None and merge.get(f"{_W}val") != "restart" and rows and len(line) < len(rows[-1]):
                text = "" if is_value(rows[-1][len(line)]) else rows[-1][len(line)]
            line += [text, *["" if is_value(text) else text] * (max(1, min(width, 200)) - 1)]
        rows.append(line)
    return rows


def parse_xlsx(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a workbook: each sheet shown is a section, each block of rows between empty rows a table or a note.

    Values are those last computed by the program that saved the file; formulas are not computed here.

    Raises:
        DocumentError: broken, or of absurd size.
    """
    import openpyxl

    data = stream.read()
    _check_archive(data, source)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        blocks = [block for sheet in sheets for block in _sheet_blocks(sheet, alone=len(sheets) == 1)]
        title = clean_line(book.properties.title or "")
        book.close()
    except (KeyError, ValueError, SyntaxError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DocumentError(f"{source}: not a readable workbook ({error}). Save it again as .xlsx.") from error
    yield compose(blocks, source, kind="xlsx", title=title)


def _sheet_blocks(sheet: Any, *, alone: bool) -> Iterator[Block]:
    name = clean_line(sheet.title)
    dull = _DULL_SHEET.fullmatch(name) is not None
    if not (alone and dull):
        yield Title(name, 2)
    named = caption = "" if dull else name
    notes: list[str] = []
    for rows in _groups(sheet):
        if max(sum(bool(cell) for cell in row) for row in rows) < 2:
            lines = [next(cell for cell in row if cell) for row in rows]
            notes = [*reversed(lines), *notes][:4]
            caption = _SENTENCE_END.split(lines[0], maxsplit=1)[0]  # tables of one sheet differ by the line above them
            yield from (Prose(line) for line in lines)
        else:
            yield Grid(rows, caption="" if _titled(rows) else caption, notes=[*notes, caption, named])
            caption = named


_SENTENCE_END = re.compile(r"(?<=[.)])\s+(?=[A-Z])|(?<=。)")


def _titled(rows: Sequence[Sequence[str]]) -> bool:
    return len(rows) > 2 and sum(bool(cell) for cell in rows[0]) == 1 and bool(rows[0][0])


def _groups(sheet: Any) -> Iterator[list[list[str]]]:
    """Yield the runs of rows that are not empty, their cells as they are shown."""
    sheet.reset_dimensions()
    group: list[list[str]] = []
    blank = 0
    for cells in sheet.iter_rows():
        row = [_shown(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        if row:
            group.append(row)
            blank = 0
            continue
        blank += 1
        if group:
            yield group
            group = []
        if blank > MAX_BLANK_ROWS:
            break
    if group:
        yield group


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
