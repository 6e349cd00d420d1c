"""Files read in processes of their own: a hang, a crash or a flood of memory in one file stays that file's failure.

A worker is a plain Python process (`ingest.reader`) that reads one file at a time and bounds itself through the
system, in time and in memory; where the system knows no such limits (Windows), only crashes are survived. A worker that
ended is replaced with the next file. Not `multiprocessing`: its workers run the main module of whoever calls anew.

Files are begun in the order they are given, and each is asked for by itself, so that the order of what comes out does
not depend on the number of workers. What was read and not yet asked for is held packed, `AHEAD_BYTES` at most; then
workers wait.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

from ingest.discover import Found
from ingest.parsers.blocks import Broken, Parsed
from ingest.reader import DONE, FAILED, ITEM, LAST, READY, Limits, receive
from rag.errors import ConsiliumError, DocumentError

AHEAD_BYTES: Final = 64_000_000
"""Read and not yet asked for, of all files together."""


def usual_workers() -> int:
    """Return how many processes read where nothing is said: embedding takes about ten times as long as reading."""
    return max(1, (os.cpu_count() or 1) // 4)


class Readers:
    """Some workers; close them when done (`with` does). A process starts with the first file it is given."""

    def __init__(self, count: int, limits: Limits) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="reader")
        self._own = threading.local()
        self._limits = limits
        self._workers: list[Worker] = []
        self._room = threading.Condition()
        self._readings: deque[Reading] = deque()  # begun and not at their end, in order
        self._waiting = 0
        self._closed = False

    def begin(self, file: Found) -> Reading:
        """Have a file read as soon as a worker is free."""
        reading = Reading(self)
        with self._room:
            self._readings.append(reading)
        self._threads.submit(self._read, file, reading)
        return reading

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        with self._room:
            self._closed = True
            self._room.notify_all()
            for worker in self._workers:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.end()

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, file: Found, reading: Reading) -> None:
        """Read one file: the body of a task. What it raises is raised where the reading is asked for."""
        end: BaseException | None = None
        try:
            for frame in self._worker().frames(file):
                self._put(reading, frame)
                if self._closed:
                    break
        except BaseException as error:
            end = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._put(reading, end)

    def _worker(self) -> Worker:
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = Worker(self._limits)
            with self._room:
                self._workers.append(worker)
        with self._room:
            if self._closed:
                raise ConsiliumError("the reading was ended")
        return worker

    def _put(self, reading: Reading, frame: bytes | BaseException | None) -> None:
        """Hold a frame until it is asked for; the file whose turn it is always has room for one."""
        size = len(frame) if isinstance(frame, bytes) else 0

        def room() -> bool:
            turn = bool(self._readings) and reading is self._readings[0] and not reading.frames
            return self._closed or reading.dropped or turn or self._waiting + size <= AHEAD_BYTES

        with self._room:
            self._room.wait_for(room)
            if not reading.dropped:
                self._waiting += size
                reading.frames.append(frame)
                self._room.notify_all()

    def take(self, reading: Reading) -> bytes | BaseException | None:
        """Return the next frame of a reading, None or an error at its end."""
        with self._room:
            self._room.wait_for(lambda: bool(reading.frames))
            frame = reading.frames.popleft()
            self._waiting -= len(frame) if isinstance(frame, bytes) else 0
            if not isinstance(frame, bytes):
                self._readings.remove(reading)
            self._room.notify_all()
        return frame

    def drop(self, reading: Reading) -> None:
        """Let a reading go that is not asked for to its end."""
        with self._room:
            if reading in self._readings:
                reading.dropped = True
                self._waiting -= sum(len(frame) for frame in reading.frames if isinstance(frame, bytes))
                reading.frames.clear()
                self._readings.remove(reading)
                self._room.notify_all()


class Reading:
    """One file that is being read; iterate once, and close it.

    Raises:
        DocumentError: while iterating: it cannot be read, takes too long or too much memory, or crashed its reader.
        ConsiliumError: no process could be started.
    """

    def __init__(self, readers: Readers) -> None:
        self.frames: deque[bytes | BaseException | None] = deque()
        self.dropped = False
        self._readers = readers

    def __iter__(self) -> Iterator[Parsed | Broken]:
        while (frame := self._readers.take(self)) is not None:
            if isinstance(frame, BaseException):
                raise frame
            yield pickle.loads(frame)

    def close(self) -> None:
        """Let go what has not been asked for."""
        self._readers.drop(self)


class Worker:
    """One process, started when it is needed and again when it has ended; used by one thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def frames(self, file: Found) -> Iterator[bytes]:
        """Have a file read; yield its documents, packed.

        Raises:
            DocumentError: it cannot be read.
            ConsiliumError: no process can be started.
        """
        process = self._started()
        with contextlib.suppress(BrokenPipeError):  # it has ended: told below, by the answer that does not come
            _ask(process, (str(file.path), file.source))
        while True:
            kind, data = receive(_answers(process))
            if kind == ITEM:
                yield data
                continue
            if kind in LAST.values():
                self.end()
            if kind in (FAILED, LAST[FAILED]):
                raise DocumentError(data.decode("utf-8", "backslashreplace"))
            if kind in (DONE, LAST[DONE]):
                return
            raise DocumentError(self._ended(file))

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End the process and clear up after it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout, self._said):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.end()
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from ingest.reader import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": paths},
        )
        with contextlib.suppress(BrokenPipeError):
            _ask(self._process, self._limits)
        if receive(_answers(self._process))[0] != READY:
            raise ConsiliumError(
                f"No process for reading could be started: {self._last_words() or 'it ended at once'}. "
                "With 0 workers files are read in the process that asks, without limits of time and memory."
            )
        return self._process

    def _last_words(self) -> str:
        assert self._said is not None
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _ended(self, file: Found) -> str:
        """Say why the process is no more."""
        assert self._process is not None
        code, most = self._process.wait(), self._limits
        if code == -getattr(signal, "SIGALRM", 0):
            seconds = most.seconds_for(file.path.stat().st_size)
            return (
                f"reading it took longer than {seconds:.0f} seconds and was ended. The file is broken, or larger than "
                "it looks. Split it, or allow more by ingest.file_seconds."
            )
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        words = self._last_words()
        return (
            f"its reader crashed ({name}{': ' if words else ''}{words}). The file is broken, or reading it takes more "
            f"than {most.memory_mb:,} MB. Save it anew from its own program, or allow more by ingest.memory_mb."
        )


def _ask(process: subprocess.Popen[bytes], what: Any) -> None:
    assert process.stdin is not None
    pickle.dump(what, process.stdin)
    process.stdin.flush()


def _answers(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout
