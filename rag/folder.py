"""Files that are whole or not there, and the right to write to a folder."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from rag.errors import LockedError, StoreError


def write_atomic(target: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that others see the old one or the new one, whole.

    Not `durable` is quicker; should the machine lose power, the file may be empty or the old one.
    """
    with replacing(target, durable=durable) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a path to write to; afterwards its file takes the place of `target`: fsync, rename, fsync the folder.

    Not `durable` leaves out both fsyncs.

    When the block fails, `target` stays as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Checked:
    """Files that were read and found whole, by what the system said of them then; kept in a file for the next one.

    A file the system says has changed since (size, times, place on disk) is not among them. What a disk garbles without
    the system's knowing is not noticed here.

    Args:
        notes: where that is kept, beside the files; None for this object alone.
    """

    def __init__(self, notes: Path | None) -> None:
        self._notes = notes
        self._seen: dict[str, list[int]] | None = None

    def see(self, file: Path, check: Callable[[], None]) -> None:
        """Check a file unless that was done; what `check` raises goes on."""
        seen = self._kept() if self._seen is None else self._seen
        now = _state_of(file)
        if seen.get(file.name) != now:
            check()
            self._seen = {**seen, file.name: now}

    def keep(self) -> None:
        """Write down what is new; where the folder cannot be written the next one checks again."""
        if self._notes is None or self._seen is None:
            return
        there = {name: told for name, told in self._seen.items() if (self._notes.parent / name).is_file()}
        self._seen = there
        with contextlib.suppress(OSError):
            if there != self._kept():
                write_atomic(self._notes, json.dumps(there).encode(), durable=False)

    def _kept(self) -> dict[str, list[int]]:
        try:
            found = json.loads(self._notes.read_bytes()) if self._notes else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _state_of(file: Path) -> list[int]:
    told = file.stat()
    return [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]


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
