"""One file a format: bytes to Document.

`parse` is a pure function of the bytes and the source name, so it may run in another process.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rag.errors import DocumentError

if TYPE_CHECKING:
    from ingest.parsers.blocks import Broken, Parsed
    from rag.schema import Document

VERSION = "4"  # raised when the same bytes give another document: what is stored is then read anew

_PARSERS = {  # format: module, function, whether it is plain text
    "pdf": ("ingest.parsers.pdf", "parse_pdf", False),
    "docx": ("ingest.parsers.word", "parse_docx", False),
    "xlsx": ("ingest.parsers.sheets", "parse_xlsx", False),
    "pptx": ("ingest.parsers.slides", "parse_pptx", False),
    "epub": ("ingest.parsers.epub", "parse_epub", False),
    "eml": ("ingest.parsers.mail", "parse_mail", True),
    "html": ("ingest.parsers.html", "parse_html", True),
    "xml": ("ingest.parsers.jats", "parse_articles", True),
    "markdown": ("ingest.parsers.text", "parse_markdown", True),
    "csv": ("ingest.parsers.text", "parse_csv", True),
    "jsonl": ("ingest.parsers.text", "parse_jsonl", True),
    "text": ("ingest.parsers.text", "parse_text", True),
}


def parse(path_or_bytes: Path | str | bytes, source: str = "") -> list[Document]:
    """Read a file and return its documents, one but for JSONL, mails and very large text files.

    Raises:
        DocumentError: empty, broken in whole or in part, encrypted, of no format that is read, or without text.
    """
    from ingest.parsers.blocks import Broken

    found: list[Document] = []
    for item in read(path_or_bytes, source):
        if isinstance(item, Broken):
            raise DocumentError(f"{item.source.split('#', 1)[0]}: {item.reason}")
        found.append(item.document)
    return found


def read(path_or_bytes: Path | str | bytes, source: str = "") -> Iterator[Parsed | Broken]:
    """Yield the documents of a file with their headings; the formats of plain text are read as a stream.

    A part that cannot be read, such as one line or one attachment, comes as `Broken` among them.
    Of a file on disk the metadata of its side file (`ingest.sidecar`) go along.

    Raises:
        DocumentError: as `parse`; or the side file is broken.
    """
    from ingest.discover import HEAD, format_of, unpack_head
    from ingest.parsers.blocks import Parsed
    from ingest.sidecar import beside, read_side

    side = {} if isinstance(path_or_bytes, bytes) else read_side(Path(path_or_bytes))

    with ExitStack() as stack:
        if isinstance(path_or_bytes, bytes):
            stream: IO[bytes] = io.BytesIO(path_or_bytes)
            source = source or "document"
        else:
            stream = stack.enter_context(Path(path_or_bytes).open("rb"))
            source = source or Path(path_or_bytes).name
        head = stream.read(HEAD)
        stream.seek(0)
        packed = head.startswith(b"\x1f\x8b")
        try:
            kind = format_of(unpack_head(head), source)
        except DocumentError as error:
            raise _named(error, source) from error
        parser, streams = _parser(kind)
        if packed and not streams:
            raise DocumentError(f"{source}: a {kind} file inside gzip is not read. Unpack it first.")
        if packed:
            stream = stack.enter_context(_unpacked(stream, source))
        for item in parser(stream, source):
            yield beside(item, side) if side and isinstance(item, Parsed) else item


def _named(error: DocumentError, source: str) -> DocumentError:
    return error if str(error).startswith(source) else DocumentError(f"{source}: {error}")


def _parser(kind: str) -> tuple[Callable[[IO[bytes], str], Iterator[Parsed | Broken]], bool]:
    """Return the parser of a format, and whether it reads plain text (which may come packed by gzip)."""
    module, name, plain = _PARSERS[kind]
    parser: Callable[[IO[bytes], str], Iterator[Parsed | Broken]] = getattr(import_module(module), name)
    return parser, plain


def _unpacked(stream: IO[bytes], source: str) -> IO[bytes]:
    """Unpack gzip into a temporary file, so that the parsers may go back to the beginning.

    Raises:
        DocumentError: the stream is broken, or unpacks to more than 2 GB, or, above 50 MB, to 150 times its size.
    """
    import gzip
    import tempfile
    import zlib

    limit, size, free, ratio = 2_000_000_000, 0, 50_000_000, 150
    plain = tempfile.SpooledTemporaryFile(max_size=32_000_000)  # noqa: SIM115 - handed on
    try:
        with gzip.GzipFile(fileobj=stream) as packed:
            while block := packed.read(1 << 20):
                size += len(block)
                if size > limit or size > max(free, ratio * stream.tell()):
                    most = f"{limit:,} bytes and, above {free:,}, {ratio} times the packed size"
                    raise DocumentError(f"{source}: unpacks to more than {most}. Split it, or unpack it first.")
                plain.write(block)
    except (OSError, EOFError, zlib.error, DocumentError) as error:
        plain.close()
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"{source}: the gzip stream is broken ({error}). Compress it again.") from error
    plain.seek(0)
    return plain
