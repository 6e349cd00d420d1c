"""Files read on many machines, by Ray: the same readers in actors, their limits and their order of answers too.

Each actor keeps one reading process (`ingest.workers`), so that time and memory are bounded there as here. Files are
named by path: they must lie where every machine sees them. What is cut, embedded and stored stays in this process.
An open connection to Ray is used; else one is made, to the cluster of `RAY_ADDRESS` or on this machine, and closed.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from ingest.discover import Found
from ingest.parsers.blocks import Broken, Parsed
from ingest.reader import Limits
from ingest.workers import Worker
from rag.errors import DocumentError, require

AHEAD = 16  # documents of one file that are read and not yet asked for


class RayReaders:
    """Some actors; close them when done.

    Args:
        count: how many, each of one processor.
        limits: what one file may take.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, count: int, limits: Limits) -> None:
        require("ray", extra="ray")
        import ray

        self._ray: Any = ray
        self._own = not ray.is_initialized()
        if self._own:
            ray.init(log_to_driver=False, include_dashboard=False)
        actor: Any = ray.remote(num_cpus=1)(_Actor)
        self._actors: list[Any] = [actor.remote(limits) for _ in range(count)]
        self._next = cycle(self._actors)

    def begin(self, file: Found) -> RayReading:
        """Have a file read by the next actor."""
        read = next(self._next).frames.options(num_returns="streaming", _generator_backpressure_num_objects=AHEAD)
        return RayReading(self._ray, read.remote(str(file.path), file.source))

    def close(self) -> None:
        """End the actors and their processes, and the connection where it was made here."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._own:
            self._ray.shutdown()


class RayReading:
    """One file that is being read; iterate once, and close it.

    Raises:
        DocumentError: while iterating: it cannot be read, or the machine that read it was lost.
    """

    def __init__(self, ray: Any, frames: Any) -> None:
        self._ray, self._frames = ray, frames

    def __iter__(self) -> Iterator[Parsed | Broken]:
        try:
            for reference in self._frames:
                data, failure = self._ray.get(reference)
                if failure:
                    raise DocumentError(failure)
                yield pickle.loads(data)
        except self._ray.exceptions.RayError as error:
            raise DocumentError(f"the machine that read it was lost ({error}). Ingest again.") from error

    def close(self) -> None:
        """Let go what has not been asked for."""
        self._frames = None


class _Actor:
    """The far side: one reading process on some machine."""

    def __init__(self, limits: Limits) -> None:
        self._worker = Worker(limits)

    def frames(self, path: str, source: str) -> Iterator[tuple[bytes, str]]:
        """Yield documents, packed; at the end, where there is one, the failure in words."""
        try:
            for frame in self._worker.frames(Found(Path(path), source)):
                yield frame, ""
        except DocumentError as error:
            yield b"", str(error)
