"""Files that are whole or not there, and the right to write to a folder."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

from rag.errors import LockedError, StoreError


def write_atomic(target: Path, data: bytes) -> None:
    """Write a file so that others see the old one or the new one, whole."""
    with replacing(target) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path to write to; afterwards its file takes the place of `target`: fsync, rename, fsync the folder.

    When the block fails, `target` stays as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class WriteLock:
    """The right to write to one collection, held through the operating system: it ends with the process.

    Beside it lies `writer.json`, which names the holder for others; after a crash it is stale and simply replaced.
    """

    def __init__(self, path: Path) -> None:
        import filelock

        self._path = path
        self._lock = filelock.FileLock(path / "writer.lock", timeout=0, thread_local=False)

    def acquire(self) -> None:
        """Take the lock at once.

        Raises:
            LockedError: another one has it.
            StoreError: the folder cannot be written.
        """
        import filelock

        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise LockedError(
                f"The collection {self._path.name!r} is being written by {self._holder()}. "
                "Reading goes on meanwhile. Wait until it has finished, or end that process, then try again."
            ) from error
        except OSError as error:
            raise StoreError(
                f"The collection {self._path} cannot be written: {error}. Check its permissions."
            ) from error
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        with contextlib.suppress(OSError):  # the name of the holder is a courtesy; a full disk must not forbid a delete
            (self._path / "writer.json").write_text(json.dumps(holder))

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            (self._path / "writer.json").unlink(missing_ok=True)
            self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads((self._path / "writer.json").read_bytes())
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"


@contextlib.contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Hold the write lock of a collection for the time of a block."""
    lock = WriteLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
