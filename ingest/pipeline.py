"""Files into an index: discover, read what changed, cut, add, commit in batches.

A file is known by the hash of its bytes and of the way it is read; one that did not change is not parsed. Of a file
that gives many documents (JSONL, large text) each is compared by itself; its first document carries the fingerprint of
the whole file and is added last, so that a run that was cut short is taken up where it stopped.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ingest.chunk import CountTokens, chunk
from ingest.discover import Found, discover, source_of
from ingest.parsers import VERSION, read
from ingest.parsers.blocks import Parsed
from rag.errors import ConsiliumError, DocumentError, StoreError
from rag.schema import Index, content_id

BATCH_DOCUMENTS = 64
AHEAD = 64_000_000  # bytes of the largest PDF that is read while the one before it is embedded
BATCH_CHUNKS = 1024  # whichever comes first is committed: what a kill can lose

Progress = Callable[[int, int, str], object]
"""Called with (files done, files in all, source)."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How files are read. `count_tokens` is the embedder's own count; None estimates.

    Sources are paths below `base` for files that lie there, else absolute paths.
    """

    max_tokens: int = 200
    max_file_mb: int = 100
    count_tokens: CountTokens | None = None
    prune: bool = False
    base: Path | None = None

    @property
    def identity(self) -> str:
        """What makes the same bytes give other chunks."""
        return f"{VERSION}|{self.max_tokens}|{'own' if self.count_tokens else 'estimate'}"


@dataclass(slots=True)
class Report:
    """What an ingest did. `documents` and `chunks` are those read now, `updated` is counted within `documents`."""

    documents: int = 0
    chunks: int = 0
    unchanged: int = 0
    updated: int = 0
    deleted: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    pages_per_second: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


def ingest(
    paths: Sequence[str | Path],
    index: Index,
    *,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Bring files and folders into an index; one that cannot be read is listed in `failed`, the rest goes on.

    Args:
        paths: files and folders; hidden files in folders are left out.
        index: where documents go; committed every 64 documents or 1,024 chunks, and at the end.
        options: how to read; `prune` deletes documents whose file has gone from a folder that was given.
        progress: called before each file and at the end.

    Raises:
        StoreError: the index refused a write; what was committed before stays.
    """
    run = _Run(index, options or IngestOptions())
    return run.all(paths, progress)


class _Run:
    """One ingest."""

    def __init__(self, index: Index, options: IngestOptions) -> None:
        self.index, self.options = index, options
        self.report = Report()
        self.pages = 0
        self._documents = self._chunks = 0  # since the last commit

    def all(self, paths: Sequence[str | Path], progress: Progress | None) -> Report:
        began = time.perf_counter()
        files = list(self._found(paths))
        with ThreadPoolExecutor(1) as ahead:
            parsed: Future[list[Parsed]] | None = None
            for done, file in enumerate(files):
                if progress:
                    progress(done, len(files), file.source)
                upcoming = self._ahead(ahead, files[done + 1 : done + 2])
                self._file(file, parsed)
                parsed = upcoming
        if self.options.prune:
            self._prune(paths, {file.source for file in files})
        self.index.commit()
        if progress:
            progress(len(files), len(files), "")
        self.report.seconds = time.perf_counter() - began
        self.report.pages_per_second = self.pages / self.report.seconds if self.report.seconds else 0.0
        return self.report

    def _found(self, paths: Sequence[str | Path]) -> Iterator[Found]:
        there = []
        for path in paths:
            if Path(path).exists():
                there.append(path)
            else:
                reason = "there is no such file or folder. Check the name and the working folder."
                self.report.failed.append({"source": str(path), "reason": reason})
        yield from discover(there, self.options.base)

    def _fail(self, source: str, error: Exception) -> None:
        known = isinstance(error, (ConsiliumError, OSError))
        reason = str(error) if known else f"could not be read: {type(error).__name__}: {error}"
        self.report.failed.append({"source": source, "reason": reason.removeprefix(f"{source}: ")})

    def _ahead(self, pool: ThreadPoolExecutor, following: Sequence[Found]) -> Future[list[Parsed]] | None:
        """Begin to read the next file, where it is a changed PDF, while this one is embedded."""
        try:
            for file in following:
                pdf = file.source.lower().endswith(".pdf") and file.path.stat().st_size <= AHEAD
                if pdf and not self.index.unchanged(file.source, self._fingerprint(file)):
                    return pool.submit(_read_all, file)
        except (OSError, DocumentError):
            pass  # told when it is this file's turn
        return None

    def _file(self, file: Found, parsed: Future[list[Parsed]] | None = None) -> None:
        """Bring one file in; its failure is recorded and stays its own. `parsed` was begun ahead."""
        try:
            fingerprint = self._fingerprint(file)
            if self._is_unchanged(file, fingerprint):
                self.report.unchanged += max(1, len(self.index.sources(f"{file.source}#")))
                return
            documents = iter(parsed.result()) if parsed else read(file.path, file.source)
            self._documents_of(file, fingerprint, documents)
        except StoreError:
            raise
        except Exception as error:
            self._fail(file.source, error)

    def _fingerprint(self, file: Found) -> str:
        size, most = file.path.stat().st_size, self.options.max_file_mb
        if size > most * 1_000_000:
            raise DocumentError(
                f"{file.source}: the file has {size / 1e6:,.0f} MB, at most {most} are read. "
                "Split it, or raise chunk.max_file_mb."
            )
        with file.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return content_id(digest, self.options.identity)

    def _is_unchanged(self, file: Found, fingerprint: str) -> bool:
        """Ask for the file, or, where its documents are records, for the first of them."""
        if self.index.unchanged(file.source, fingerprint):
            return True
        if not _holds_records(file.source):
            return False
        first = next(iter(read(file.path, file.source)), None)
        return first is not None and self.index.unchanged(first.document.source, fingerprint)

    def _documents_of(self, file: Found, fingerprint: str, documents: Iterator[Parsed]) -> None:
        """Add the documents of a file, the first one last; then drop what the file no longer holds."""
        before = set(self.index.sources(f"{file.source}#"))
        first = next(documents, None)
        if first is None:
            raise DocumentError(f"{file.source}: no text in it.")
        seen = {first.document.source}
        for parsed in documents:
            seen.add(parsed.document.source)
            self._add(parsed, content_id(parsed.document.id, self.options.identity))
        self._add(first, fingerprint)
        for source in sorted(before - seen):
            self.index.delete_source(source)
            self.report.deleted += 1

    def _add(self, parsed: Parsed, fingerprint: str) -> None:
        document = parsed.document
        if self.index.unchanged(document.source, fingerprint):
            self.report.unchanged += 1
            return
        options = self.options
        chunks = chunk(
            document, max_tokens=options.max_tokens, count_tokens=options.count_tokens, headings=parsed.headings
        )
        change = self.index.add(document, chunks, fingerprint=fingerprint)
        if change == "unchanged":
            self.report.unchanged += 1
        else:
            self.report.documents += 1
            self.report.updated += change == "updated"
            self.report.chunks += len(chunks)
        self.pages += max(1, len(document.page_starts))
        self._documents += 1
        self._chunks += len(chunks)
        if self._documents >= BATCH_DOCUMENTS or self._chunks >= BATCH_CHUNKS:
            self.index.commit()
            self._documents = self._chunks = 0

    def _prune(self, paths: Sequence[str | Path], present: set[str]) -> None:
        """Delete what came from a file that has gone from one of the folders."""
        for path in map(Path, paths):
            if not path.is_dir():
                continue
            for source in self.index.sources(f"{source_of(path.resolve(), self.options.base)}/"):
                if source not in present and source.split("#", 1)[0] not in present:
                    self.index.delete_source(source)
                    self.report.deleted += 1


def _read_all(file: Found) -> list[Parsed]:
    return list(read(file.path, file.source))


def _holds_records(source: str) -> bool:
    return source.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))
