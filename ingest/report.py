"""What an ingest tells: what it did, what failed and why in words, how fast it goes and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ingest.parsers.blocks import Broken, Parsed
from rag.errors import ConsiliumError

MOST_BROKEN: Final = 20
"""Broken parts of one file that are listed; more are counted."""


@dataclass(slots=True)
class Report:
    """What an ingest did. `documents` and `chunks` are those read now, `updated` is counted within `documents`.

    `failed` names files and parts of files (a line, a sheet) that could not be read, `warnings` what a reader should
    know of those that could, `duplicates` what was left out because another source says the same, `boilerplate` the
    lines that a fifth of the documents read now repeat (at least five), the 20 most repeated.
    """

    documents: int = 0
    chunks: int = 0
    unchanged: int = 0
    updated: int = 0
    deleted: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    pages_per_second: float = 0.0
    warnings: list[dict[str, str]] = field(default_factory=list)
    duplicates: list[dict[str, Any]] = field(default_factory=list)
    boilerplate: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)

    def fail(self, source: str, reason: str) -> None:
        """List a source that could not be read."""
        source = printable(source)
        self.failed.append({"source": source, "reason": printable(reason).removeprefix(f"{source}: ")})

    def duplicate(self, source: str, twin: Any) -> None:
        """List a source that is left out; `twin` has `of`, `similarity` and `kind`."""
        found = {"source": printable(source), "of": printable(twin.of)}
        self.duplicates.append({**found, "similarity": round(twin.similarity, 3), "kind": twin.kind})

    def no_duplicates(self, sources: Iterable[str]) -> None:
        """List sources no longer among the duplicates."""
        told = set(map(printable, sources))
        self.duplicates = [found for found in self.duplicates if found["source"] not in told]

    def repeated(self, lines: Mapping[str, int]) -> None:
        """List lines that many documents repeat."""
        most = list(lines.items())[:MOST_BROKEN]
        self.boilerplate = [{"line": line, "documents": times} for line, times in most]

    def broken(self, source: str, parts: list[Broken]) -> None:
        """List the parts of a file that could not be read: the first of them, then how many more."""
        for part in parts[:MOST_BROKEN]:
            self.fail(part.source, part.reason)
        if len(parts) > MOST_BROKEN:
            more = len(parts) - MOST_BROKEN
            self.fail(source, f"{more:,} more parts of it cannot be read; the first {MOST_BROKEN} are listed.")

    def warn(self, parsed: Parsed) -> None:
        """List what a reader should know of a document: what was not shown in it, what could not be read."""
        found, told = parsed.document.metadata, [*getattr(parsed, "notes", ())]
        if found.get("hidden_text"):
            kinds = f" ({found['hidden_kinds']})" if found.get("hidden_kinds") else ""
            told.append(f"{found['hidden_text']} characters that a reader does not see were left out{kinds}.")
        if found.get("pages_without_text"):
            told.append(f"pages {found['pages_without_text']} hold no text; run OCR on them if they were scanned.")
        if found.get("pages_broken"):
            told.append(
                f"pages {found['pages_broken']} are broken and were not read; export or download the file again."
            )
        if found.get("pages_unreadable"):
            told.append(
                f"pages {found['pages_unreadable']} use fonts that do not say their letters; OCR would read them."
            )
        self.warnings += [{"source": printable(parsed.document.source), "what": what} for what in told]


@dataclass(frozen=True, slots=True)
class Pace:
    """Where an ingest stands, when it begins with a file and at the end. `seconds_left` is None before it can be told.

    Time left assumes that what is to come takes as long for each byte as what went before.
    """

    files: int
    files_in_all: int
    source: str
    documents: int
    chunks: int
    pages: int
    seconds: float
    seconds_left: float | None


class Clock:
    """Measures the pace over the bytes of the files."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._bytes = self._done = 0

    def begin(self, sizes: list[int]) -> None:
        """Count files of these bytes as to come."""
        self._bytes += sum(sizes)

    def done(self, size: int) -> None:
        """Count a file as done."""
        self._done += size

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    @property
    def seconds_left(self) -> float | None:
        """Seconds still to go, None before there is something to tell it by."""
        if not self._done or self.seconds < 1:
            return None
        return max(0, self._bytes - self._done) * self.seconds / self._done


def reason_of(error: BaseException) -> str:
    """Say in words for a reader why a file could not be read."""
    if isinstance(error, ConsiliumError):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply to be read. Save it anew from its own program, or flatten it."
    if isinstance(error, MemoryError):
        return "reading it takes more memory than there is. Split it."
    if isinstance(error, FileNotFoundError):
        return "the file went away before it was read. Ingest again if it should be here."
    if isinstance(error, PermissionError):
        return "the file may not be read. Change its permissions, or run as who may read it."
    if isinstance(error, OSError) and error.errno is not None:
        return f"the file could not be read from the disk: {error.strerror or error}. Check the disk and try again."
    what = f"{type(error).__name__}: {error}"
    return f"it is broken, or of a kind not met before ({what}). Save it anew from its own program."


def printable(text: str) -> str:
    """Return a text that can be written anywhere: bytes of a file name that are no Unicode are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
