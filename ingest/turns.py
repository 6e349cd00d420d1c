"""Files in their order, those to come begun ahead: what did not change is told, what did is read.

Small plain text is read in this process, when it is its turn: there is nothing in it that could take long. Everything
else goes to workers, or, where there are none, is read here as well.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from ingest.discover import HEAD, Found, format_of
from ingest.options import IngestOptions
from ingest.parsers import read
from ingest.parsers.blocks import Broken, Parsed
from ingest.parsers.eyes import open_eyes
from ingest.reader import Limits
from ingest.sidecar import side_print
from ingest.workers import Readers, usual_workers
from rag.errors import DocumentError
from rag.schema import content_id

if TYPE_CHECKING:
    from ingest.ray_engine import RayReaders

AHEAD: Final = 64
"""Files begun before it is their turn; the bytes read from them are bounded by `workers.AHEAD_BYTES`."""
PLAIN_BYTES: Final = 64_000
PLAIN_FORMATS: Final = ("text", "csv", "jsonl")  # reading Markdown can take quadratic time


@dataclass(frozen=True, slots=True)
class Turn:
    """A file whose turn it is: its fingerprint, and its documents, None where it did not change."""

    file: Found
    size: int
    fingerprint: str = ""
    documents: Iterable[Parsed | Broken] | None = None
    error: Exception | None = None

    def close(self) -> None:
        """Let go of what has not been read."""
        close = getattr(self.documents, "close", None)  # a reading, or a generator
        if close is not None:
            close()


class Turns:
    """Reads files; close it when done (`with` does).

    Args:
        options: how.
        unchanged: tells whether a file is stored with a fingerprint.
    """

    def __init__(self, options: IngestOptions, unchanged: Callable[[Found, str], bool]) -> None:
        self._options, self._unchanged = options, unchanged
        workers = usual_workers() if options.workers is None else options.workers
        limits = Limits(options.file_seconds, options.memory_mb, options.ocr == "auto")
        open_eyes(limits.ocr)  # for what is read in this process
        self._readers: Readers | RayReaders | None = None
        if workers and options.engine == "ray":
            from ingest.ray_engine import RayReaders

            self._readers = RayReaders(workers, limits)
        elif workers:
            self._readers = Readers(workers, limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._readers:
            self._readers.close()

    def of(self, files: Sequence[Found], sizes: Sequence[int]) -> Iterator[Turn]:
        """Yield the files in order."""
        coming = (self._begin(file, size) for file, size in zip(files, sizes, strict=True))
        waiting = deque(islice(coming, AHEAD if self._readers else 1))
        while waiting:
            yield waiting.popleft()
            waiting.extend(islice(coming, 1))

    def _begin(self, file: Found, size: int) -> Turn:
        try:
            fingerprint = self._fingerprint(file, size)
            if self._unchanged(file, fingerprint):
                return Turn(file, size, fingerprint)
            if self._readers is None or _is_plain(file, size):
                return Turn(file, size, fingerprint, read(file.path, file.source))
            return Turn(file, size, fingerprint, self._readers.begin(file))
        except (OSError, DocumentError) as error:
            return Turn(file, size, error=error)

    def _fingerprint(self, file: Found, size: int) -> str:
        most = self._options.max_file_mb
        if size > most * 1_000_000:
            raise DocumentError(
                f"{file.source}: the file has {size / 1e6:,.0f} MB, at most {most} are read. "
                "Split it, or raise chunk.max_file_mb."
            )
        with file.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        beside = side_print(file.path)
        return content_id(digest, self._options.identity, *([beside] if beside else []))


def size_of(file: Found) -> int:
    """Return the bytes of a file, 0 where that cannot be told (then its turn will tell why)."""
    with contextlib.suppress(OSError):
        return file.path.stat().st_size
    return 0


def _is_plain(file: Found, size: int) -> bool:
    """Tell whether a file is a small one of plain text; one whose format is refused is as harmless."""
    if size > PLAIN_BYTES:
        return False
    with file.path.open("rb") as stream:
        head = stream.read(HEAD)
    try:
        return format_of(head, file.source) in PLAIN_FORMATS
    except DocumentError:
        return True
