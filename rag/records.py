"""The truth of a collection: one SQLite file (WAL) with documents, chunks and vectors. Everything else is made from it.

A document's text is stored once, in pieces of 8,192 characters, uncompressed: a chunk is cut from the one or two pieces
it lies in, so that fetching a passage of a long report does not read the report. Vectors are stored once a content
(a hash of the indexed text) in 16-bit floats; a chunk whose text stays the same is not embedded again.

Rows (the numbers the search legs know chunks by) are never used twice. Each carries the generation it came with, and
`gone` remembers those that left, so that a leg of an earlier generation can be caught up.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag import tags
from rag.contents import PIECE, Contents
from rag.encoding import check_text, digest_of, dumps, index_key, pack_metadata, pack_tables
from rag.errors import StoreError
from rag.schema import Change, Chunk, Document

FILE: Final = "records.sqlite"

_LATER: Final = (
    "CREATE INDEX IF NOT EXISTS documents_series ON documents (metadata ->> 'series')",
    "CREATE INDEX IF NOT EXISTS gone_generation ON gone (generation)",
)
"""Indexes that collections of earlier versions lack."""
_SCHEMA: Final = """
CREATE TABLE state (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, language TEXT NOT NULL,
    page_starts TEXT NOT NULL, tables TEXT NOT NULL, metadata TEXT, digest TEXT NOT NULL);
CREATE TABLE pieces (document INTEGER NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL);
CREATE UNIQUE INDEX pieces_place ON pieces (document, piece);
CREATE TABLE sources (
    source TEXT PRIMARY KEY, document INTEGER NOT NULL, fingerprint TEXT NOT NULL, added_at REAL NOT NULL);
CREATE INDEX sources_document ON sources (document);
CREATE TABLE chunks (
    row INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL, id TEXT NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL, page INTEGER, kind TEXT NOT NULL, headings TEXT, metadata TEXT, key BLOB NOT NULL,
    generation INTEGER NOT NULL);
CREATE INDEX chunks_document ON chunks (document);
CREATE INDEX chunks_key ON chunks (key);
CREATE INDEX chunks_generation ON chunks (generation);
CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE gone (row INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
"""


class Records(Contents):
    """Reads and changes the file. A change begins a transaction by itself; `commit` ends it with the next generation.

    Args:
        folder: of the collection; must exist.
        writable: whether changes are meant; the file is then made where it is missing.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        file = folder / FILE
        mode = "rwc" if writable else "rw"
        address = f"{file.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        super().__init__(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        if self.exists() and not self.tagged:
            _upgrade(file)
        if writable:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TEMP TABLE loose (key BLOB PRIMARY KEY)")
            for statement in _LATER if self.exists() else ():
                connection.execute(statement)
        else:
            connection.execute("PRAGMA query_only = ON")

    def create(self, state: dict[str, Any]) -> None:
        """Make the tables with a first state, all or nothing."""
        with self.change():
            for statement in (*_SCHEMA.split(";"), *_LATER, *tags.SCHEMA):
                self._db.execute(statement)
            for name, value in {"generation": 0, "chunks": 0, "caught_up_from": 0, **state}.items():
                self._set(name, value)
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Be inside the open transaction, beginning one if need be; what fails inside leaves no trace."""
        if not self.changing:
            self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            if self.changing:  # SQLite ends the transaction by itself on some errors, such as a full disk
                self._db.execute("ROLLBACK TO step")
                self._db.execute("RELEASE step")
            raise
        self._db.execute("RELEASE step")

    def commit(self) -> None:
        """End the transaction: the next generation, durable. Vectors nobody refers to any more go."""
        self._db.execute(
            "DELETE FROM vectors WHERE key IN (SELECT key FROM temp.loose) "
            "AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.key = vectors.key)"
        )
        self._db.execute("DELETE FROM temp.loose")
        self._set("generation", self.generation + 1)
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        if self.changing:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; what is not committed is lost."""
        self._db.close()

    def put(self, document: Document, chunks: Sequence[Chunk], fingerprint: str) -> Change:
        """Store a document under its source; what the source held before goes, unless another source holds it, too."""
        check_text(document.source, repr(document.source))
        for text in (document.text, document.title, *(heading for c in chunks for heading in c.headings)):
            check_text(text, document.source)
        pack_metadata(document.metadata, document.source)
        digest = digest_of(document, chunks)
        known = self._db.execute("SELECT number, digest FROM documents WHERE id = ?", (document.id,)).fetchone()
        before = self._db.execute("SELECT document FROM sources WHERE source = ?", (document.source,)).fetchone()
        if known is None:
            number = self._insert(document, chunks, digest)
        else:
            number = known[0]
            if known[1] != digest:
                self._replace(number, document, chunks, digest)
        same = known is not None and known[1] == digest and before is not None and before[0] == number
        if same:
            self._db.execute("UPDATE sources SET fingerprint = ? WHERE source = ?", (fingerprint, document.source))
            return "unchanged"
        self._db.execute(
            "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", (document.source, number, fingerprint, time.time())
        )
        if before is not None and before[0] != number:
            self._drop_unless_held(before[0])
        return "added" if before is None else "updated"

    def remove(self, doc_id: str) -> int:
        """Remove a document with all its sources; return how many chunks went."""
        found = self._db.execute("SELECT number FROM documents WHERE id = ?", (doc_id,)).fetchone()
        if found is None:
            return 0
        self._db.execute("DELETE FROM sources WHERE document = ?", found)
        return self._drop_unless_held(found[0])

    def remove_source(self, source: str) -> int:
        """Remove a source, and its document where no other source holds it; return how many chunks went."""
        check_text(source, repr(source))
        found = self._db.execute("SELECT document FROM sources WHERE source = ?", (source,)).fetchone()
        if found is None:
            return 0
        self._db.execute("DELETE FROM sources WHERE source = ?", (source,))
        return self._drop_unless_held(found[0])

    def embed(self, make: Callable[[list[str]], np.ndarray]) -> None:
        """Give every chunk of the open transaction its vector, in batches; one content is embedded once.

        Raises:
            StoreError: `make` did not return one vector a text.
        """
        for batch in self.texts_without_vector():
            found = make([text for _, text in batch])
            if len(found) != len(batch):
                raise StoreError(f"The embedder returned {len(found)} vectors for {len(batch)} texts. Check it.")
            self.put_vectors([key for key, _ in batch], found)

    def put_vectors(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store the vectors of indexed texts, shape (len(keys), dimension), as 16-bit floats."""
        pairs = ((key, vector.tobytes()) for key, vector in zip(keys, vectors.astype(np.float16), strict=True))
        self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", pairs)

    def forget_gone(self) -> None:
        """Drop the memory of removed rows: legs of an earlier generation than the next must be made anew."""
        self._db.execute("DELETE FROM gone")
        self._set("caught_up_from", self.generation + 1)

    def vacuum(self) -> bool:
        """Write the file anew without free pages and empty the log; False when a reader kept the log in use."""
        self._db.execute("VACUUM")
        busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def _set(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    def _insert(self, document: Document, chunks: Sequence[Chunk], digest: str) -> int:
        cursor = self._db.execute(
            "INSERT INTO documents (id, title, language, page_starts, tables, metadata, digest) "
            "VALUES (?, '', '', '', '', NULL, '')",
            (document.id,),
        )
        number = int(cursor.lastrowid or 0)
        self._write(number, document, chunks, digest)
        return number

    def _replace(self, number: int, document: Document, chunks: Sequence[Chunk], digest: str) -> None:
        self._drop_contents(number)
        self._write(number, document, chunks, digest)

    def _write(self, number: int, document: Document, chunks: Sequence[Chunk], digest: str) -> None:
        self._db.execute(
            "UPDATE documents SET title = ?, language = ?, page_starts = ?, tables = ?, metadata = ?, digest = ? "
            "WHERE number = ?",
            (
                document.title,
                document.language,
                dumps(document.page_starts),
                pack_tables(document.tables, document.facts),
                pack_metadata(document.metadata, document.source),
                digest,
                number,
            ),
        )
        starts = range(0, len(document.text), PIECE)
        pieces = ((number, i, document.text[start : start + PIECE]) for i, start in enumerate(starts))
        self._db.executemany("INSERT INTO pieces VALUES (?, ?, ?)", pieces)
        generation = self.generation + 1
        self._db.executemany(
            'INSERT INTO chunks (document, id, start, "end", page, kind, headings, metadata, key, generation) '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(number, c.id, c.start, c.end, c.page, c.kind),
                    dumps(c.headings) if c.headings else None,
                    pack_metadata(c.metadata, document.source),
                    index_key(c.embedded_text),
                    generation,
                )
                for c in chunks
            ),
        )
        self._set("chunks", int(self.state("chunks")) + len(chunks))
        tags.put(self._db, number, document.metadata, document.title, document.language)

    def _drop_unless_held(self, number: int) -> int:
        if self._db.execute("SELECT 1 FROM sources WHERE document = ? LIMIT 1", (number,)).fetchone():
            return 0
        dropped = self._drop_contents(number)
        self._db.execute("DELETE FROM documents WHERE number = ?", (number,))
        return dropped

    def _drop_contents(self, number: int) -> int:
        mine = "FROM chunks WHERE document = ?"
        self._db.execute(f"INSERT OR IGNORE INTO temp.loose SELECT key {mine}", (number,))
        self._db.execute(f"INSERT INTO gone SELECT row, ? {mine}", (self.generation + 1, number))
        dropped = self._db.execute(f"DELETE {mine}", (number,)).rowcount
        self._db.execute("DELETE FROM pieces WHERE document = ?", (number,))
        self._set("chunks", int(self.state("chunks")) - dropped)
        tags.drop(self._db, number)
        return dropped


def _upgrade(file: Path) -> None:
    """Give a file of format 1 its tags, all or nothing; whoever opens it first does, reader or writer."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=600)) as db:
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tags'").fetchone():
            tags.fill(db)
            db.execute("INSERT OR REPLACE INTO state VALUES ('format_version', 2)")
        db.execute("COMMIT")
