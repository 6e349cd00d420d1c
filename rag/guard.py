"""One thread at a time at the records of a collection, and SQLite's errors in the words of a reader."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rag.errors import StoreError, UserError
from rag.records import FILE, Records

_SPACE: Final = "Free some space, or see that the disk is well"


class Guard:
    """Contexts for reading, writing and publishing; each may be entered again by the thread that is inside."""

    def __init__(self, path: Path, records: Records, *, writable: bool) -> None:
        self._path = path
        self._records = records
        self._writable = writable
        self._mutex = threading.RLock()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read the records.

        Raises:
            StoreError: they cannot be read.
        """
        with self._mutex:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise damaged(self._path, error) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Change the records; an error of the disk takes back everything since the last commit.

        Raises:
            UserError: the collection was opened for reading.
            StoreError: the disk refused.
        """
        if not self._writable:
            raise UserError(f"{self._path.name!r} was opened for reading. Open it with writable=True to change it.")
        with self._mutex:
            try:
                yield
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self._records.rollback()
                raise StoreError(
                    f"{self._path.name!r} could not be written: {error}. Nothing since its last commit is stored; what "
                    f"was committed is safe. {_SPACE}, then do it again."
                ) from error

    @contextlib.contextmanager
    def publishing(self) -> Iterator[None]:
        """Write what is made from the records.

        Raises:
            StoreError: the disk refused; the records themselves are safe.
        """
        with self._mutex:
            try:
                yield
            except (OSError, sqlite3.Error) as error:
                raise StoreError(
                    f"Everything is stored in {self._path.name!r}, but its search index could not be written: {error}. "
                    f"{_SPACE}; the index is caught up when the collection is opened again."
                ) from error


def damaged(path: Path, error: Exception) -> StoreError:
    """Return the error for records that cannot be read at all."""
    return StoreError(
        f"The collection in {path} cannot be used: {error}. If the disk has space and its permissions are right, the "
        f"file {FILE} is damaged: restore the folder from a backup, or delete the collection and ingest again."
    )
