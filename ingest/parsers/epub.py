"""EPUB: an archive of XHTML chapters, read in the order of its spine as one document."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from ingest.clean import clean_line
from ingest.parsers.archive import BROKEN_PART, check_archive
from ingest.parsers.blocks import Block, Parsed, compose
from ingest.parsers.hidden import Tally
from ingest.parsers.html import html_blocks
from ingest.parsers.markup import markup_of
from ingest.pulse import beat
from rag.errors import DocumentError
from rag.schema import Scalar

MAX_CHAPTERS = 5_000
MAX_CSS = 500_000  # characters of the style sheets of the book
MAX_PART = 100_000_000  # bytes of one chapter
_NAMED = {"creator": "authors", "publisher": "organisation", "date": "published", "rights": "licence"}


def parse_epub(stream: IO[bytes], source: str) -> Iterator[Parsed]:
    """Read a book.

    Raises:
        DocumentError: broken, of absurd size, or protected against reading.
    """
    data = stream.read()
    check_archive(data, source)
    tally = Tally()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            place, package = _package(archive)
            css = "\n".join(_parts(archive, place, package, ("text/css",), limit=MAX_CSS))[:MAX_CSS]
            blocks: list[Block] = []
            for chapter in _chapters(archive, place, package):
                beat()
                page = markup_of(chapter, source)
                blocks += html_blocks(f"<style>{css.replace('<', ' ')}</style>{page}" if css else page, source, tally)
    except (KeyError, ValueError, ParseError, RuntimeError, *BROKEN_PART) as error:
        raise DocumentError(
            f"{source}: not a readable EPUB ({error}). Save it again; a book with copy protection cannot be read."
        ) from error
    title, metadata = _metadata(package)
    parsed = compose(blocks, source, kind="epub", title=title, metadata={**metadata, **tally.metadata()})
    chapters = sum(1 for _ in package.iterfind("{*}spine/{*}itemref"))
    over = (f"chapters from {MAX_CHAPTERS + 1:,} on are not read; split the book",) if chapters > MAX_CHAPTERS else ()
    yield replace(parsed, notes=(*parsed.notes, *over))


def _package(archive: zipfile.ZipFile) -> tuple[str, Element]:
    """Return the folder of the package file within the archive, and what it holds.

    Raises:
        ValueError: the archive names none.
    """
    container = fromstring(archive.read("META-INF/container.xml"))
    root = container.find("{*}rootfiles/{*}rootfile")
    name = root.get("full-path") if root is not None else None
    if not name:
        raise ValueError("no package file is named")
    return posixpath.dirname(name), fromstring(archive.read(name))


def _items(place: str, package: Element) -> dict[str, tuple[str, str]]:
    """Return the path and the media type of each item of the book by its id."""
    return {
        item.get("id", ""): (posixpath.normpath(posixpath.join(place, unquote(href))), item.get("media-type", ""))
        for item in package.iterfind("{*}manifest/{*}item")
        if (href := item.get("href"))
    }


def _chapters(archive: zipfile.ZipFile, place: str, package: Element) -> Iterator[bytes]:
    items = _items(place, package)
    for number, mark in enumerate(package.iterfind("{*}spine/{*}itemref")):
        path, kind = items.get(mark.get("idref", ""), ("", ""))
        if path and "html" in kind and number < MAX_CHAPTERS:
            yield _read(archive, path)


def _parts(archive: zipfile.ZipFile, place: str, package: Element, kinds: tuple[str, ...], limit: int) -> Iterator[str]:
    names = set(archive.namelist())
    for path, kind in _items(place, package).values():
        if kind in kinds and path in names and limit > 0:
            text = _read(archive, path).decode("utf-8", "replace")
            limit -= len(text)
            yield text


def _read(archive: zipfile.ZipFile, path: str) -> bytes:
    with archive.open(path) as part:
        data = part.read(MAX_PART + 1)
    if len(data) > MAX_PART:
        raise ValueError(f"{path} has more than {MAX_PART:,} bytes")
    return data


def _metadata(package: Element) -> tuple[str, dict[str, Scalar]]:
    """Return the title, and author, publisher, date and rights as far as the book names them."""
    found: dict[str, Scalar] = {}
    title = ""
    for node in package.iterfind("{*}metadata/*"):
        name, text = node.tag.rpartition("}")[2], clean_line("".join(node.itertext()))[:200]
        if name == "title":
            title = title or text
        elif name in _NAMED and text:
            found.setdefault(_NAMED[name], text[:10] if name == "date" else text)
    return title, found
