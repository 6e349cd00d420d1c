"""Paths to files, and files to formats: what there is to ingest, before anything is parsed.

Hidden files and folders and side files are skipped, links are followed once, order is that of the names. A format is
decided by the first bytes; the name decides only between formats that look alike (text, Markdown, CSV).
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ingest.parsers.encoding import utf16_of
from ingest.sidecar import is_side
from rag.errors import DocumentError

Format = Literal["pdf", "html", "markdown", "text", "docx", "xlsx", "pptx", "epub", "eml", "xml", "csv", "jsonl"]

HEAD = 65_536  # bytes looked at
SUFFIXES: dict[str, Format] = {
    ".pdf": "pdf",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".log": "text",
    ".docx": "docx",
    ".pptx": "pptx",
    ".epub": "epub",
    ".eml": "eml",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_ALLOWED = (
    "PDF, HTML, Markdown, text, DOCX, PPTX, XLSX, EPUB, EML, CSV, JSONL and articles as JATS or PubMed XML "
    "(text formats also as .gz)"
)
_ARTICLE = re.compile(rb"<(?:pmc-articleset|article|PubmedArticleSet|PubmedArticle)[\s>]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file to ingest, and the name it is known by."""

    path: Path
    source: str


def discover(
    paths: Sequence[str | Path], base: Path | None = None, closed: list[Path] | None = None
) -> Iterator[Found]:
    """Yield the files under the given paths, each once, sorted by name within a folder.

    A file given by name is taken whatever its name; in a folder hidden entries are left out. The source of a file is
    its absolute path, or its path below `base` where it lies there: the same file has the same source in every run, and
    no two files share one. Folders that cannot be listed are put into `closed`.

    Raises:
        DocumentError: a path does not exist.
    """
    seen: set[Path] = set()
    closed = [] if closed is None else closed
    for given in paths:
        root = Path(given)
        if not root.exists():
            raise DocumentError(f"{given}: there is no such file or folder. Check the name and the working folder.")
        start = root.resolve()
        for path, real in [(start, start)] if start.is_file() else _walk(start, start, {start}, closed):
            if real not in seen:
                seen.add(real)
                yield Found(path, source_of(path, base))


def source_of(path: Path, base: Path | None = None) -> str:
    """Return the name a file is known by: its path below `base`, else its absolute path."""
    path = path.absolute()
    inside = base is not None and path.is_relative_to(base.resolve())
    return (path.relative_to(base.resolve()) if base is not None and inside else path).as_posix()


def within(source: str) -> str:
    """Return how the names of files begin that lie in a folder known by this name; "" in the base itself."""
    return "" if source == "." else f"{source.rstrip('/')}/"


def _walk(folder: Path, real: Path, above: set[Path], closed: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield regular files as they are named and as they really lie.

    `real` is where the folder really lies, `above` the real folders on the way here, so that a link back up is not
    followed.
    """
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        closed.append(folder)
        return
    for entry in entries:
        if entry.name.startswith((".", "~$")) or is_side(entry.name):
            continue
        path = folder / entry.name
        try:
            place = path.resolve() if entry.is_symlink() else real / entry.name
            if entry.is_file():
                yield path, place
            elif entry.is_dir() and place not in above:
                yield from _walk(path, place, above | {place}, closed)
        except (OSError, RuntimeError):
            continue  # a link in a circle


def format_of(head: bytes, source: str) -> Format:
    """Decide the format of a file from its first bytes and its name.

    Raises:
        DocumentError: empty, or of a format that is not read.
    """
    name = source.split("#", 1)[0].lower().removesuffix(".gz")
    suffix = PurePosixPath(name).suffix
    if not head.strip(b"\x00 \t\r\n"):
        raise DocumentError(f"{source}: the file is empty.")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _zip_format(head, source, suffix)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        if suffix == ".msg":
            raise DocumentError(f"{source}: Outlook's own format is not read. Save the mail as .eml.")
        raise DocumentError(
            f"{source}: an old or password-protected Office file. Save it as .docx or .xlsx without a password."
        )
    if suffix in (".pdf", ".docx", ".pptx", ".xlsx", ".xlsm", ".epub"):
        raise DocumentError(f"{source}: named {suffix} but its content is not; the file is broken or misnamed.")
    wide = utf16_of(head)
    if wide or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[: len(head) - len(head) % 2].decode(wide or "utf-16", "replace").encode()
    if _looks_binary(head):
        raise DocumentError(f"{source}: holds binary data, not text. Readable are {_ALLOWED}.")
    return _text_format(head, source, suffix)


def _text_format(head: bytes, source: str, suffix: str) -> Format:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:256].lower()
    if start.startswith((b"<!doctype html", b"<html")) or (
        start.startswith(b"<?xml") and b"<html" in head[:2048].lower()
    ):
        return "html"
    if suffix in (".xml", ".nxml") and _ARTICLE.search(head[:8192]):
        return "xml"
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix in (".json", ".xml", ".nxml", ".rtf", ".odt", ".svg"):
        raise DocumentError(f"{source}: files named {suffix} are not read. Readable are {_ALLOWED}.")
    return "text"


def _zip_format(head: bytes, source: str, suffix: str) -> Format:
    if b"application/epub+zip" in head[:200] or suffix == ".epub":
        return "epub"
    if b"word/" in head or suffix == ".docx":
        return "docx"
    if b"ppt/" in head or suffix == ".pptx":
        return "pptx"
    if b"xl/" in head or suffix in (".xlsx", ".xlsm"):
        return "xlsx"
    raise DocumentError(f"{source}: an archive or an Office file of another kind. Readable are {_ALLOWED}.")


def _looks_binary(head: bytes) -> bool:
    sample = head[:8192]
    odd = sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in sample)
    return odd > 0.02 * len(sample) + 1 or sample.count(0) > 0.3 * len(sample)


def unpack_head(head: bytes) -> bytes:
    """Return the first bytes of what a gzip stream holds; anything else unchanged."""
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error as error:
        raise DocumentError(f"The gzip stream is broken ({error}). Compress the file again.") from error
