"""Plain text, Markdown, CSV and JSONL to documents; the encoding is found, large files come in parts.

A text or CSV file of more than a part's size gives several documents, named "file.txt", "file.txt#2" and so on; a JSONL
file one document a record, named "file.jsonl#ID", or by its line where a record has no id.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, Any

from ingest.clean import clean_line, join_wrapped
from ingest.parsers.blocks import Block, Broken, Parsed, Prose, Title, compose
from ingest.parsers.encoding import encoding_of
from ingest.parsers.grid import Grid
from ingest.parsers.hidden import Tally
from ingest.pulse import beat
from rag.errors import DocumentError

PART_CHARS = 4_000_000  # of one document cut from a large text file: bounds memory
PART_ROWS = 5_000  # of one document cut from a large CSV file
TEXT_KEYS = ("text", "content", "contents", "body", "passage", "document")
MAX_ABOVE = 8  # lines of a CSV file above its header row
ID_KEYS = ("_id", "id", "doc_id", "docid")
_BULLET = re.compile(r"^(?:[-*•·–—]|\(?\d{1,2}[.)]|[a-z][.)])\s")
_CAPS_HEADING = re.compile(r"^[A-Z][A-Z0-9 ,&/()'-]{3,80}$")


@contextmanager
def open_text(stream: IO[bytes]) -> Iterator[IO[str]]:
    """Read a byte stream as text in the encoding that its beginning shows; what cannot be decoded becomes U+FFFD."""
    head = stream.read(1 << 20)
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding=encoding_of(head), errors="replace", newline=None)
    try:
        yield text
    finally:
        text.detach()  # the stream belongs to the caller


def _part_source(source: str, number: int) -> str:
    return source if number == 1 else f"{source}#{number}"


def parse_text(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read plain text: a blank line ends a paragraph; lines wrapped by hand are joined, others stay paragraphs."""
    with open_text(stream) as text:
        for number, lines in enumerate(_line_parts(text), start=1):
            blocks = list(_line_blocks(lines))
            if blocks or number == 1:
                yield compose(blocks, _part_source(source, number), kind="text")


def text_blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a plain text."""
    return _line_blocks([clean_line(line) for line in text.splitlines()])


def _line_parts(lines: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for line in _short_lines(lines):
        part.append(clean_line(line))
        size += len(line)
        if (size >= PART_CHARS and not part[-1]) or size >= 2 * PART_CHARS:
            yield part
            part, size = [], 0
    if part:
        yield part


def _short_lines(lines: Iterable[str]) -> Iterator[str]:
    """Cut lines that are longer than a part; one line may be the whole file."""
    for line in lines:
        for start in range(0, len(line), PART_CHARS) if line else (0,):
            yield line[start : start + PART_CHARS]


def _line_blocks(lines: Iterable[str]) -> Iterator[Block]:
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line and not (paragraph and _BULLET.match(line)):
            paragraph.append(line)
            continue
        yield from _paragraphs(paragraph)
        paragraph = [line] if line else []
    yield from _paragraphs(paragraph)


def _paragraphs(lines: list[str]) -> Iterator[Block]:
    """Yield a group of lines as one paragraph where they are wrapped, else as one paragraph each."""
    if len(lines) == 1 and _CAPS_HEADING.match(lines[0]) and re.search(r"[A-Z]{3}", lines[0]):
        yield Title(lines[0].rstrip(":"), 2)
    elif len(lines) > 1 and all(45 <= len(line) <= 132 for line in lines[:-1]):
        yield Prose(join_wrapped(lines))
    else:
        yield from (Prose(line) for line in lines)


def parse_markdown(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read CommonMark with tables. Front matter between "---" lines gives metadata where it is plain `key: value`."""
    from ingest.parsers.markdown import markdown_blocks

    with open_text(stream) as opened:
        text = opened.read()
    metadata, body = _front_matter(text)
    title = str(metadata.pop("title", ""))
    tally = Tally()
    blocks = list(markdown_blocks(body, source, tally))
    yield compose(blocks, source, kind="markdown", title=title, metadata={**metadata, **tally.metadata()})


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    if not found:
        return {}, text
    pairs = re.findall(r"^(\w[\w-]*):[ \t]*([^\n\[{|>]*)$", found.group(1), re.MULTILINE)
    values = {key: _plain(value.strip().strip("\"'")) for key, value in pairs if value.strip()}
    return values, text[found.end() :]


def _plain(value: str) -> str | int:
    return int(value) if re.fullmatch(r"\d{1,9}", value) else value


def parse_csv(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read CSV as one table, its delimiter guessed; a large file gives a document for each 5,000 rows.

    Raises:
        DocumentError: the quoting is broken.
    """
    with open_text(stream) as text:
        sample = text.read(16_384)
        text.seek(0)
        rows = csv.reader(text, delimiter=_delimiter(sample, source))
        try:
            yield from _csv_parts(rows, source)
        except csv.Error as error:
            raise DocumentError(f"{source}: line {rows.line_num} is not CSV ({error}). Correct the quoting.") from error


def _csv_parts(rows: Iterator[list[str]], source: str) -> Iterator[Parsed]:
    """Yield a document for each 5,000 rows; each is told the header row, which is one.

    Lines above it that fill a single cell ("Report of 2022", "单位：万元") are the title and the notice of the table.
    """
    caption = re.sub(r"[_-]+", " ", PurePosixPath(source).stem.removesuffix(".csv"))
    first = list(islice(rows, PART_ROWS + 1))
    above = _above(first)
    lines = [next((cell for cell in row if cell.strip()), "") for row in first[:above]]
    header, part, number = first[above : above + 1], first[above + 1 :], 0
    while part or not number:
        number += 1
        blocks: list[Block] = [Prose(line) for line in map(clean_line, lines) if line and number == 1]
        grid = Grid([*header, *part], caption, notes=lines, header_rows=1)
        yield compose([*blocks, grid], _part_source(source, number), kind="csv")
        beat()
        part = list(islice(rows, PART_ROWS))


def _above(rows: list[list[str]]) -> int:
    """Return how many lines stand above the header row."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows[: MAX_ABOVE + 1]]
    return next((i for i, count in enumerate(filled) if count > 1), 0)


def _delimiter(sample: str, source: str) -> str:
    if source.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    lines = [line for line in sample.splitlines()[:-1] or sample.splitlines() if line.strip()][:50]
    counts = {mark: [line.count(mark) for line in lines] for mark in (",", ";", "\t", "|")}
    return max(counts, key=lambda mark: (sum(n == counts[mark][0] and n > 0 for n in counts[mark]), sum(counts[mark])))


def parse_jsonl(stream: IO[bytes], source: str) -> Iterator[Parsed | Broken]:
    """Read one JSON object a line; `text` (or `content`) and `title` are the document, other scalars its metadata.

    A record without an id is named by its line, so is the second one of the same id. Records without text are passed. A
    line that is not a JSON object comes as `Broken`, the lines around it are read.
    """
    with open_text(stream) as lines:
        seen: set[str] = set()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if number % 1000 == 0:
                beat()
            try:
                record = _object(line, f"line {number}")
            except DocumentError as error:
                yield Broken(f"{source}#line {number}", str(error))
                continue
            name = next((str(record[k]) for k in ID_KEYS if isinstance(record.get(k), (str, int))), str(number))
            parsed = _record(record, f"{source}#{name if name not in seen else f'{name}.{number}'}")
            seen.add(name)
            if parsed is not None:
                yield parsed


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # a number of ten thousand digits, too
        raise DocumentError(f"{where} is not valid JSON ({error}). Correct or drop it.") from error
    if not isinstance(record, dict):
        raise DocumentError(f"{where} holds a {type(record).__name__}; each line must be an object with a text.")
    return record


def _record(record: dict[str, Any], source: str) -> Parsed | None:
    """Make a document of one record; None where it holds neither title nor text."""
    key = next((k for k in TEXT_KEYS if isinstance(record.get(k), str)), "")
    title = clean_line(str(record.get("title") or ""))
    lines = [clean_line(line) for line in str(record.get(key) or "").splitlines()]
    blocks: list[Block] = [Prose(line) for line in lines if line] or ([Prose(title)] if title else [])
    if not blocks:
        return None
    metadata = {
        str(k): v for k, v in record.items() if k not in (key, "title") and isinstance(v, (str, int, float, bool))
    }
    return compose(blocks, source, kind="jsonl", title=title, metadata=metadata)
