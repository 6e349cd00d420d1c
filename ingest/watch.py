"""Keeps a collection equal to folders: new, changed, moved and deleted files are followed until told to stop.

The folders are looked through every few seconds. That costs about 15 ms for a thousand files and works on every file
system; notices of the system do not reach network drives and mounted volumes, where shared documents mostly lie.
A file is read when it has stopped changing. The collection is opened for writing only while there is something to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from ingest.discover import Found, discover, source_of
from ingest.options import IngestOptions
from ingest.pipeline import Progress, Run
from ingest.report import Report
from ingest.sidecar import side_of
from rag.errors import LockedError
from rag.schema import Index

INTERVAL: Final = 2.0
Stamp = tuple[int, ...]
"""Size, time of the last change in nanoseconds, inode, of a file and of its side file: while they stay, so does it."""


def watch(
    paths: Sequence[str | Path],
    index_factory: Callable[[], AbstractContextManager[Index]],
    *,
    options: IngestOptions | None = None,
    interval: float = INTERVAL,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> Iterator[Report]:
    """Yield a report of the first round, and of each later one in which something happened.

    What came from a file that has gone is deleted; a folder that is not there or cannot be listed is told, and what
    came from it is kept. A file that cannot be read is tried again when it changes. While another process writes to
    the collection, what is to do waits.

    Args:
        paths: files and folders.
        index_factory: opens the collection for writing; closed after each round.
        options: how to read; `prune` is taken as meant.
        interval: seconds between two looks, and for which a file must have been left alone.
        stop: ends the watch when set; it is looked at between two rounds.
        progress: as of `ingest`.

    Raises:
        StoreError: the collection refused a write.
    """
    stop = stop or threading.Event()
    watched = _Watched(paths, options or IngestOptions(), interval)
    first = True
    while not stop.is_set():
        report = watched.round(index_factory, progress, always=first)
        if report is not None:
            yield report
            first = False
        if stop.wait(interval):
            return


class _Watched:
    """What is known of the files from one look to the next."""

    def __init__(self, paths: Sequence[str | Path], options: IngestOptions, interval: float) -> None:
        self._paths = list(map(Path, paths))
        self._options, self._interval = options, interval
        self._read: dict[str, Stamp] = {}  # as of the last reading
        self._seen: dict[str, Stamp] = {}  # as of the last look
        self._told: set[str] = set()  # troubles that last and have been told

    def round(
        self, index_factory: Callable[[], AbstractContextManager[Index]], progress: Progress | None, *, always: bool
    ) -> Report | None:
        """Look, and bring the collection up to it; None where there was nothing to do."""
        closed: list[Path] = []
        there = [path for path in self._paths if path.exists()]
        files = list(discover(there, self._options.base, closed))
        stamps = {file.source: stamp for file in files if (stamp := _stamp(file)) is not None}
        changed = [file for file in files if self._ready(file.source, stamps)]
        gone = [source for source in self._read if source not in stamps]
        self._seen = stamps
        troubles = self._troubles([path for path in self._paths if path not in there], closed)
        if not (changed or gone or troubles or always):
            return None
        report = Report()
        if changed or gone or always:
            try:
                with index_factory() as index:
                    run = Run(index, self._options)
                    run.present, run.closed = {file.source: file for file in files if file.source in stamps}, closed
                    report = run.bring(changed, [*there, *self._files_gone()], progress)
            except LockedError as error:
                if not self._new("locked"):
                    return None
                report.fail("collection", str(error))
                return report
        self._told.discard("locked")
        self._read = {source: stamp for source, stamp in self._read.items() if source in stamps}
        self._read.update({file.source: stamps[file.source] for file in changed})
        for source, reason in troubles:
            report.fail(source, reason)
        return report

    def _ready(self, source: str, stamps: dict[str, Stamp]) -> bool:
        """Tell whether a file is other than when it was read, and is not being written."""
        stamp = stamps.get(source)
        if stamp is None or stamp == self._read.get(source):
            return False
        return stamp == self._seen.get(source) or time.time() - max(stamp[1::3]) / 1e9 >= self._interval

    def _files_gone(self) -> list[Path]:
        """Return the files among the paths that were there and are not, their folder still being there."""
        return [
            path
            for path in self._paths
            if source_of(path.resolve(), self._options.base) in self._read
            and not path.exists()
            and path.parent.is_dir()
        ]

    def _troubles(self, missing: list[Path], closed: list[Path]) -> list[tuple[str, str]]:
        """Return what is in the way, once for as long as it lasts."""
        found = {
            str(path): "it is not there now; what came from a folder is kept until it is back." for path in missing
        }
        found |= {str(path): "the folder cannot be listed; what came from it is kept." for path in closed}
        self._told &= {*found, "locked"}
        return [(source, reason) for source, reason in found.items() if self._new(source)]

    def _new(self, trouble: str) -> bool:
        new = trouble not in self._told
        self._told.add(trouble)
        return new


def _stamp(file: Found) -> Stamp | None:
    try:
        state = file.path.stat()
    except OSError:
        return None  # it went away while we looked
    own = state.st_size, state.st_mtime_ns, state.st_ino
    try:
        beside = side_of(file.path).stat()
    except OSError:
        return own
    return *own, beside.st_size, beside.st_mtime_ns, beside.st_ino
