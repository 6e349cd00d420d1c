"""Which documents of a collection may say the same, and which sources were left out because another one says it.

Kept in the records of the collection, so that a commit holds both or neither. It knows no texts: what a signature and a
band are, and whether two are alike, is for who makes them. Triggers tie all of it to the documents: what is known of a
document goes with it, whoever deletes it, and what was left out for its sake is marked as lost, to be read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rag.guard import Guard
from rag.records import Records

CROWD: Final = 256
"""A band that more documents share tells little."""
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS signatures "
    "(document INTEGER PRIMARY KEY, version TEXT NOT NULL, signature BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bands "
    "(band INTEGER NOT NULL, document INTEGER NOT NULL, PRIMARY KEY (band, document)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS bands_document ON bands (document)",
    "CREATE TABLE IF NOT EXISTS left_out (source TEXT PRIMARY KEY, document INTEGER, fingerprint TEXT NOT NULL, "
    "rule TEXT NOT NULL, similarity REAL NOT NULL, kind TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS left_out_document ON left_out (document)",
)
_FORGET: Final = (
    "DELETE FROM signatures WHERE document = old.number; DELETE FROM bands WHERE document = old.number; "
    "UPDATE left_out SET document = NULL, fingerprint = '' WHERE document = old.number;"
)
_TRIGGERS: Final = (
    f"CREATE TRIGGER IF NOT EXISTS twins_gone AFTER DELETE ON documents BEGIN {_FORGET} END",
    f"CREATE TRIGGER IF NOT EXISTS twins_changed AFTER UPDATE OF digest ON documents BEGIN {_FORGET} END",
    "CREATE TRIGGER IF NOT EXISTS twins_taken_in AFTER INSERT ON sources "
    "BEGIN DELETE FROM left_out WHERE source = new.source; END",
)
_HOLDS: Final = "SELECT document FROM sources WHERE source = ?"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A source that was left out; `of` is a source that says the same, None when that has gone.

    `fingerprint` is of its bytes and `rule` of the way it was compared.
    """

    source: str
    of: str | None
    fingerprint: str
    rule: str
    similarity: float
    kind: str


class TwinRecords:
    """Reads and changes what is known of twins; a change waits for the commit of the collection.

    Args:
        guard: of the collection.
        records: of the collection.
    """

    def __init__(self, guard: Guard, records: Records) -> None:
        self._guard, self._records, self._db = guard, records, records.database
        self._made = False

    def missing(self, version: str) -> list[str]:
        """Return one source of each document that has no signature of this version."""
        if not self._there():
            query = "SELECT MIN(source) FROM sources GROUP BY document ORDER BY document"
            return [source for (source,) in self._all(query)]
        query = (
            "SELECT MIN(source) FROM sources WHERE document NOT IN "
            "(SELECT document FROM signatures WHERE version = ?) GROUP BY document ORDER BY document"
        )
        return [source for (source,) in self._all(query, version)]

    def put(self, source: str, version: str, signature: bytes, bands: Iterable[int]) -> None:
        """Keep the signature of the document a source holds, with its bands (64 bits each, signed)."""
        with self._guard.writing(), self._records.change():
            self._make()
            found = self._db.execute(_HOLDS, (source,)).fetchone()
            if found is None:
                return
            self._db.execute("INSERT OR REPLACE INTO signatures VALUES (?, ?, ?)", (found[0], version, signature))
            self._db.execute("DELETE FROM bands WHERE document = ?", found)
            rows = ((band, found[0]) for band in set(bands))
            self._db.executemany("INSERT INTO bands VALUES (?, ?)", rows)

    def alike(self, bands: Iterable[int], version: str, *, crowds: bool = False) -> list[tuple[list[str], bytes]]:
        """Return (sources, signature) of the documents that share a band, those that share most first.

        Of a band that more than 256 documents share none counts; with `crowds` the first 256 do.
        """
        if not self._there():
            return []
        shared: dict[int, int] = {}
        for band in bands:
            held = self._all("SELECT document FROM bands WHERE band = ? LIMIT ?", band, CROWD + 1)
            for (document,) in held[:CROWD] if crowds or len(held) <= CROWD else ():
                shared[document] = shared.get(document, 0) + 1
        order = sorted(shared, key=lambda document: (-shared[document], document))
        query = (
            "SELECT t.document, t.signature, s.source FROM signatures t JOIN sources s ON s.document = t.document "
            "WHERE t.version = ? AND t.document IN (SELECT value FROM json_each(?)) ORDER BY s.added_at, s.source"
        )
        found: dict[int, tuple[list[str], bytes]] = {}
        for document, signature, source in self._all(query, version, json.dumps(order)):
            found.setdefault(document, ([], signature))[0].append(source)
        return [found[document] for document in order if document in found]

    def leave_out(self, source: str, of: str, fingerprint: str, rule: str, similarity: float, kind: str) -> None:
        """Remember that a source is left out because the source `of` says the same."""
        with self._guard.writing(), self._records.change():
            self._make()
            found = self._db.execute(_HOLDS, (of,)).fetchone()
            values = (source, found and found[0], fingerprint, rule, similarity, kind)
            self._db.execute("INSERT OR REPLACE INTO left_out VALUES (?, ?, ?, ?, ?, ?)", values)

    def forget(self, sources: Sequence[str]) -> None:
        """Remember no longer that sources were left out."""
        if sources and self._there():
            with self._guard.writing(), self._records.change():
                query = "DELETE FROM left_out WHERE source IN (SELECT value FROM json_each(?))"
                self._db.execute(query, (json.dumps(sources),))

    def left_out(self, prefix: str = "", *, lost: bool = False) -> list[LeftOut]:
        """Return the sources that were left out and start with `prefix`; with `lost`, those whose twin has gone."""
        if not self._there():
            return []
        prefix = prefix.encode("utf-8", "replace").decode()
        query = (
            "SELECT source, (SELECT s.source FROM sources s WHERE s.document = l.document "
            "ORDER BY s.added_at, s.source LIMIT 1), fingerprint, rule, similarity, kind FROM left_out l "
            f"WHERE source >= ? AND source < ? {'AND document IS NULL' if lost else ''} ORDER BY source"
        )
        return [LeftOut(*fields) for fields in self._all(query, prefix, prefix + "\U0010ffff")]

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard.reading():
            return self._db.execute(query, values).fetchall()

    def _there(self) -> bool:
        """Tell whether the tables have been made."""
        if not self._made:
            query = "SELECT 1 FROM sqlite_master WHERE name = 'left_out'"
            self._made = bool(self._all(query))
        return self._made

    def _make(self) -> None:
        """Make tables and triggers where they are missing, inside the open transaction."""
        if not self._there():
            for statement in (*_TABLES, *_TRIGGERS):
                self._db.execute(statement)
