"""What filters ask: runs of rows by key and value, kept beside the chunks, so that no chunk is read to apply one.

A document's metadata is one run over all its rows; where chunks say something of their own (page, kind, metadata), each
run of the same value is one. Source and id of a document are looked up among the documents themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from rag.schema import Scalar, Where
from rag.where import Condition, conditions, matching

SCHEMA: Final = (
    "CREATE TABLE tags (key TEXT NOT NULL, value NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
    "document INTEGER NOT NULL, PRIMARY KEY (key, value, first, last)) WITHOUT ROWID",
    "CREATE INDEX tags_document ON tags (document)",
)
_SEVERAL: Final = re.compile(r"[,;|]")
OF_SEVERAL: Final = frozenset({"tag", "tags", "permission", "permissions"})
"""Keys whose texts hold several values between commas, semicolons or bars; each may be asked for."""
_LONGEST: Final = 200
"""Of longer texts a hash is kept: they can be asked for, but not compared."""


class Tagged:
    """One chunk as far as filters go: what it says itself, None for nothing."""

    __slots__ = ("kind", "metadata", "page")

    def __init__(self, page: int | None, kind: str, metadata: Mapping[str, Scalar]) -> None:
        self.page, self.kind, self.metadata = page, kind, metadata


def put(db: sqlite3.Connection, document: int, whole: Mapping[str, Scalar], title: str, language: str) -> None:
    """Write the tags of a document whose chunks are stored."""
    rows = db.execute(
        "SELECT row, page, kind, metadata FROM chunks WHERE document = ? ORDER BY row", (document,)
    ).fetchall()
    if not rows:
        return
    chunks = [Tagged(page, kind, json.loads(own) if own else {}) for _, page, kind, own in rows]
    first = int(rows[0][0])
    runs = [
        *_runs(whole, chunks),
        ("title", title, 0, len(chunks) - 1),
        ("language", language, 0, len(chunks) - 1),
        *(("page", page, a, b) for page, a, b in _equal([chunk.page for chunk in chunks])),
        *(("kind", kind, a, b) for kind, a, b in _equal([chunk.kind for chunk in chunks])),
    ]
    db.executemany(
        "INSERT OR IGNORE INTO tags VALUES (?, ?, ?, ?, ?)",
        (
            (key, kept, first + a, first + b, document)
            for key, value, a, b in runs
            if value is not None
            for kept in _kept(key, value)
        ),
    )


def drop(db: sqlite3.Connection, document: int) -> None:
    """Forget the tags of a document."""
    db.execute("DELETE FROM tags WHERE document = ?", (document,))


def fill(db: sqlite3.Connection) -> None:
    """Make the table and write the tags of everything that is stored."""
    for statement in SCHEMA:
        db.execute(statement)
    for number, metadata, title, language in db.execute(
        "SELECT number, metadata, title, language FROM documents"
    ).fetchall():
        put(db, number, json.loads(metadata) if metadata else {}, title, language)


def mask(db: sqlite3.Connection, where: Where) -> np.ndarray:
    """Return by row, bool, whether a filter accepts it. Rows that are gone may be accepted.

    Raises:
        UserError: the filter cannot be looked up.
    """
    size = int(db.execute("SELECT COALESCE(MAX(row), 0) + 1 FROM chunks").fetchone()[0])
    accepted = np.ones(size, dtype=np.bool_)
    for condition in conditions(where):
        found = _covered(_accepted(db, condition), size)
        if None in condition.values:
            found |= ~_covered(db.execute("SELECT first, last FROM tags WHERE key = ?", (condition.key,)), size)
        accepted &= ~found if condition.operator == "!=" else found
    return accepted


def _accepted(db: sqlite3.Connection, condition: Condition) -> Iterable[tuple[int, int]]:
    """Return the runs of rows (first, last) that one condition accepts."""
    asked = _shortened(condition)
    sql, parameters = matching(asked)
    found = db.execute(f"SELECT first, last FROM tags WHERE key = ? AND {sql}", (condition.key, *parameters)).fetchall()
    if condition.key not in {"source", "doc_id"}:
        return found
    sql, parameters = matching(condition)
    named = sql.replace("value", "source" if condition.key == "source" else "id")
    numbers = "SELECT document FROM sources" if condition.key == "source" else "SELECT number FROM documents"
    runs = f"SELECT MIN(row), MAX(row) FROM chunks WHERE document IN ({numbers} WHERE {named}) GROUP BY document"
    return found + db.execute(runs, parameters).fetchall()


def _covered(runs: Iterable[tuple[int, int]], size: int) -> np.ndarray:
    ends = np.array(list(runs), dtype=np.int64).reshape(-1, 2)
    steps = np.bincount(ends[:, 0], minlength=size + 1) - np.bincount(ends[:, 1] + 1, minlength=size + 1)
    return np.asarray(np.cumsum(steps[:size]) > 0)


def _runs(whole: Mapping[str, Scalar], chunks: Sequence[Tagged]) -> Iterator[tuple[str, Scalar, int, int]]:
    """Yield key, value, first and last place of every run; a chunk's own value goes before the document's."""
    own = {key for chunk in chunks for key in chunk.metadata}
    for key, value in whole.items():
        if key not in own:
            yield key, value, 0, len(chunks) - 1
    for key in own:
        said = [chunk.metadata.get(key) for chunk in chunks]
        values = [whole.get(key) if value is None else value for value in said]
        for value, first, last in _equal(values):
            yield key, value, first, last


def _equal(values: Sequence[Any]) -> Iterator[tuple[Any, int, int]]:
    """Yield value, first and last place of each run of equal values."""
    start = 0
    for (_, value), run in groupby(values, key=lambda value: (type(value), value)):
        size = len(list(run))
        yield value, start, start + size - 1
        start += size


def _kept(key: str, value: Scalar) -> list[Scalar]:
    """Return a value as it is kept, or its parts where the key may have several."""
    if isinstance(value, bool):
        return [int(value)]
    if not isinstance(value, str):
        return [value if value is None or -(2**63) <= value < 2**63 else float(value)]
    parts = parts_of(key, value)
    return [_short(text) for text in dict.fromkeys([value, *parts]) if text or not parts]


def parts_of(key: str, value: Scalar) -> list[str]:
    """Return the single values of a key that may hold several, none for any other."""
    if key not in OF_SEVERAL or not isinstance(value, str):
        return []
    return [part.strip() for part in _SEVERAL.split(value)]


def _short(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _shortened(condition: Condition) -> Condition:
    values = tuple(_short(value) if isinstance(value, str) else value for value in condition.values)
    return condition._replace(values=values)
