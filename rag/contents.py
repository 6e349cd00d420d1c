"""Reading what a collection holds: passages, documents, and what the search legs are made from."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import numpy as np

from rag.encoding import unpack_facts, unpack_metadata, unpack_tables
from rag.errors import UnknownDocumentError
from rag.schema import Chunk, ChunkKind, Document, Passage, Where
from rag.tags import mask
from rag.versions import Edition, superseded

PIECE: Final = 8192
"""Characters in one piece of stored text."""
_BATCH: Final = 1024
_CHUNK: Final = 'c.row, c.document, d.id, c.id, c.start, c."end", c.page, c.headings, c.kind, c.metadata'
_FROM: Final = "FROM chunks c JOIN documents d ON d.number = c.document"
_NEW: Final = "ORDER BY c.generation, c.row"  # the order of rows, too, as the index has it
_SOURCE: Final = "(SELECT source FROM sources s WHERE s.document = d.number ORDER BY s.added_at, s.source LIMIT 1)"


class Contents:
    """The reading half of the records."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._looking = False

    @property
    def database(self) -> sqlite3.Connection:
        """The open file, for what is kept beside the documents (`rag.twins`)."""
        return self._db

    @property
    def changing(self) -> bool:
        """Whether there are changes that are not committed."""
        return self._db.in_transaction and not self._looking

    @property
    def generation(self) -> int:
        """The number of the last commit that is visible here."""
        return int(self.state("generation"))

    def state(self, name: str) -> Any:
        """Return one value of the collection's state, None when it is not there."""
        found = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def exists(self) -> bool:
        """Tell whether the tables have been made."""
        return bool(self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchone())

    @property
    def tagged(self) -> bool:
        """Whether there are tags for filters, as from format 2 on."""
        return bool(self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tags'").fetchone())

    def count(self, table: str) -> int:
        """Return the number of entries of a table."""
        return int(self._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """See one state of the file for the time of a block, whatever others commit."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        self._looking = True
        try:
            yield
        finally:
            self._looking = False
            self._db.execute("COMMIT")

    def unchanged(self, source: str, fingerprint: str) -> bool:
        """Tell whether the source is stored with this fingerprint; an empty one never is."""
        if not fingerprint:
            return False
        query = "SELECT 1 FROM sources WHERE source = ? AND fingerprint = ?"
        return bool(self._db.execute(query, (_valid(source), fingerprint)).fetchone())

    def rows(self, where: Where) -> np.ndarray:
        """Return by row, bool, whether a filter accepts it. Rows that are gone may be accepted.

        Raises:
            UserError: the filter cannot be looked up.
        """
        return mask(self._db, where)

    def present(self) -> np.ndarray:
        """Return by row, bool, whether it is here. Reads all of them: about 0.1 s a million."""
        rows = np.fromiter((row for (row,) in self._db.execute("SELECT row FROM chunks")), dtype=np.int64)
        found = np.zeros(int(rows.max(initial=0)) + 1, dtype=np.bool_)
        found[rows] = True
        return found

    def named(self) -> tuple[tuple[str, str], ...]:
        """Return the different (organisation, ticker) pairs of the documents; "" where a document has none."""
        found = self._db.execute("SELECT DISTINCT metadata ->> 'organisation', metadata ->> 'ticker' FROM documents")
        return tuple((str(organisation or ""), str(ticker or "")) for organisation, ticker in found)

    def passages(self, ranked: Sequence[tuple[int, float]], retriever: str) -> list[Passage]:
        """Return the passages of (row, score), in that order, with their texts; rows that are gone are left out."""
        found = self._db.execute(
            f"SELECT {_CHUNK}, {_SOURCE}, d.title, d.metadata {_FROM} "
            "WHERE c.row IN (SELECT value FROM json_each(?)) ORDER BY c.document, c.start",
            (json.dumps([row for row, _ in ranked]),),
        ).fetchall()
        packs = {fields[1]: fields[12] for fields in found}
        told = {number: unpack_metadata(packed) for number, packed in packs.items()}
        newer = self._superseded({str(metadata["series"]) for metadata in told.values() if metadata.get("series")})
        marks = {number: newer[number].mark for number in told if number in newer}
        cut = _Scissors(self._db)
        parts = {fields[0]: (_chunk(fields[:10], cut), *fields[10:12], fields[1]) for fields in found}
        passages: list[Passage] = []
        for row, score in ranked:
            if row in parts:
                chunk, source, title, number = parts[row]
                metadata = {**told[number], **chunk.metadata, **marks.get(number, {})}
                passages.append(Passage(chunk, score, len(passages) + 1, retriever, source, title, metadata))
        return passages

    def chunks(self, doc_id: str) -> list[Chunk]:
        """Return the chunks of a document in the order they were given."""
        self._number(doc_id)
        found = self._db.execute(f"SELECT {_CHUNK} {_FROM} WHERE d.id = ? ORDER BY c.row", (doc_id,)).fetchall()
        cut = _Scissors(self._db)
        return [_chunk(fields, cut) for fields in found]

    def documents(self) -> list[dict[str, Any]]:
        """Return one row a source: id, source, title, language, chunks, pages, added_at (seconds since 1970).

        `superseded_by` is the source of a newer version, None where there is none.
        """
        found = self._db.execute(
            "SELECT d.number, d.id, s.source, d.title, d.language, "
            "(SELECT COUNT(*) FROM chunks c WHERE c.document = d.number), "
            "CASE d.page_starts WHEN '[]' THEN 0 ELSE json_array_length(d.page_starts) END, s.added_at "
            "FROM sources s JOIN documents d ON d.number = s.document ORDER BY s.source"
        )
        names = ("id", "source", "title", "language", "chunks", "pages", "added_at")
        newer = self._superseded()
        return [
            dict(zip(names, fields, strict=True)) | {"superseded_by": newer[number].source if number in newer else None}
            for number, *fields in found
        ]

    def _superseded(self, series: set[str] | None = None) -> dict[int, Edition]:
        """Return the newer version of each document that has one, by number; of the given series alone, if given."""
        if series is not None and not series:
            return {}
        chosen = "IS NOT NULL" if series is None else "IN (SELECT value FROM json_each(?))"
        found = self._db.execute(
            f"SELECT d.number, {_SOURCE}, d.title, d.metadata FROM documents d WHERE d.metadata ->> 'series' {chosen}",
            () if series is None else (json.dumps(sorted(series)),),
        )
        return superseded(
            Edition(number, source, title, unpack_metadata(packed)) for number, source, title, packed in found
        )

    def sources(self, prefix: str) -> list[str]:
        """Return the sources that start with `prefix`, in order."""
        query = "SELECT source FROM sources WHERE source >= ? AND source < ? ORDER BY source"
        return [source for (source,) in self._db.execute(query, (_valid(prefix), _valid(prefix) + "\U0010ffff"))]

    def document(self, doc_id: str) -> Document:
        """Return a document, whole, under the first of its sources.

        Raises:
            UnknownDocumentError: it is not here.
        """
        number = self._number(doc_id)
        title, language, page_starts, tables, metadata, source = self._db.execute(
            f"SELECT title, language, page_starts, tables, metadata, {_SOURCE} FROM documents d WHERE number = ?",
            (number,),
        ).fetchone()
        pieces = self._db.execute("SELECT text FROM pieces WHERE document = ? ORDER BY piece", (number,))
        return Document(
            id=doc_id,
            text="".join(text for (text,) in pieces),
            source=source,
            title=title,
            language=language,
            page_starts=tuple(json.loads(page_starts)),
            tables=unpack_tables(tables),
            facts=unpack_facts(tables),
            metadata=unpack_metadata(metadata),
        )

    def id_of(self, source: str) -> str | None:
        """Return the id of the document a source holds, None when the source is unknown."""
        query = "SELECT d.id FROM sources s JOIN documents d ON d.number = s.document WHERE s.source = ?"
        found = self._db.execute(query, (_valid(source),)).fetchone()
        return found[0] if found else None

    def gone_since(self, generation: int) -> np.ndarray:
        """Return the rows removed after a generation, int64."""
        found = self._db.execute("SELECT row FROM gone WHERE generation > ?", (generation,))
        return np.fromiter((row for (row,) in found), dtype=np.int64)

    def grown_since(self, generation: int) -> bool:
        """Tell whether chunks came after a generation."""
        return bool(self._db.execute("SELECT 1 FROM chunks WHERE generation > ? LIMIT 1", (generation,)).fetchone())

    def texts_since(self, generation: int) -> Iterator[tuple[int, str]]:
        """Yield row and indexed text of every chunk that came after a generation, in order of rows."""
        cut = _Scissors(self._db)
        found = self._db.execute(f"SELECT {_CHUNK} {_FROM} WHERE c.generation > ? {_NEW}", (generation,))
        for fields in found:
            yield fields[0], _chunk(fields, cut).indexed_text

    def vectors_since(self, generation: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows (n,) and vectors (n, dimension) float16 of the chunks that came after a generation."""
        found = self._db.execute(
            f"SELECT c.row, v.vector FROM chunks c JOIN vectors v ON v.key = c.key WHERE c.generation > ? {_NEW}",
            (generation,),
        )
        while batch := found.fetchmany(_BATCH):
            matrix = np.frombuffer(b"".join(vector for _, vector in batch), dtype=np.float16)
            yield np.array([row for row, _ in batch], dtype=np.int64), matrix.reshape(len(batch), -1)

    def texts_without_vector(self) -> Iterator[list[tuple[bytes, str]]]:
        """Yield batches of key and embedded text of uncommitted chunks that have no vector yet, each content once."""
        last = 0
        while True:
            found = self._db.execute(
                f"SELECT {_CHUNK}, c.key {_FROM} WHERE c.generation = ? AND c.row > ? "
                "AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.key = c.key) ORDER BY c.row LIMIT ?",
                (self.generation + 1, last, _BATCH),
            ).fetchall()
            if not found:
                return
            last = found[-1][0]
            cut = _Scissors(self._db)
            texts = {key: _chunk(fields, cut).embedded_text for *fields, key in found}
            yield list(texts.items())

    def _number(self, doc_id: str) -> int:
        found = self._db.execute("SELECT number FROM documents WHERE id = ?", (_valid(doc_id),)).fetchone()
        if found is None:
            raise UnknownDocumentError(
                f"There is no document with the id {doc_id!r} here. `consilium docs list` shows the ids there are."
            )
        return int(found[0])


class _Scissors:
    """Cuts chunks out of stored pieces, keeping the last few pieces at hand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._kept: dict[tuple[int, int], str] = {}

    def cut(self, document: int, start: int, end: int) -> str:
        """Return `text[start:end]` of a document."""
        first, last = start // PIECE, max(start, end - 1) // PIECE
        text = "".join(self._piece(document, i) for i in range(first, last + 1))
        return text[start - first * PIECE : end - first * PIECE]

    def _piece(self, document: int, piece: int) -> str:
        place = (document, piece)
        if place not in self._kept:
            found = self._db.execute("SELECT text FROM pieces WHERE document = ? AND piece = ?", place).fetchone()
            if len(self._kept) >= 8:
                self._kept.pop(next(iter(self._kept)))
            self._kept[place] = found[0] if found else ""
        return self._kept[place]


def _chunk(fields: list[Any], cut: _Scissors) -> Chunk:
    _, document, doc_id, chunk_id, start, end, page, headings, kind, metadata = fields
    return Chunk(
        id=chunk_id,
        doc_id=doc_id,
        text=cut.cut(document, start, end),
        start=start,
        end=end,
        page=page,
        headings=tuple(json.loads(headings)) if headings else (),
        kind=cast(ChunkKind, kind),
        metadata=unpack_metadata(metadata),
    )


def _valid(text: str) -> str:
    """Return a text SQLite can look for; what is not valid Unicode is not stored and so is not found."""
    return text.encode("utf-8", "replace").decode()
