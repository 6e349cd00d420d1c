"""Files into an index: discover, read what changed, cut, add, commit in batches.

A file is known by the hash of its bytes and of the way it is read; one that did not change is not parsed. Of a file
that gives many documents (JSONL, large text) each is compared by itself; its first document gets the fingerprint of
the whole file, last of all, so that a run that was cut short is taken up where it stopped. What was left out because
another document says the same is read again when that one goes, at the end of the run in which it goes.

Files are read in processes of their own (`ingest.workers`) with bounds of time and memory, ahead of what is cut and
embedded here; text, CSV and JSONL of up to 64 kB, which nothing can hold up, are read in this process. Documents are
added in the order of the files, whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest.boilerplate import Repeats, without_page_making
from ingest.chunk import chunk
from ingest.deidentify import deidentify_parsed
from ingest.discover import Found, discover, source_of, within
from ingest.options import IngestOptions
from ingest.parsers.blocks import Broken, Parsed
from ingest.report import Clock, Pace, Report, reason_of
from ingest.turns import Turn, Turns, size_of
from ingest.twins import Twins
from rag.errors import ConsiliumError, DocumentError, MissingExtraError
from rag.schema import Chunk, Document, Index, content_id

__all__ = ["IngestOptions", "Progress", "Report", "ingest"]

BATCH_DOCUMENTS = 64
BATCH_CHUNKS = 1024  # whichever comes first is committed: what a kill can lose

Progress = Callable[[int, int, str], object]
"""Called with (files done, files in all, source)."""


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
        ConsiliumError: no process for reading could be started.
    """
    return Run(index, options or IngestOptions()).all(paths, progress)


class Run:
    """One ingest: `all` of some paths, or `bring` some files and let go what is no longer there."""

    def __init__(self, index: Index, options: IngestOptions) -> None:
        self.index, self.options = index, options
        self.report = Report()
        self.pages = 0
        self.files: Sequence[Found] = ()
        self.present: Mapping[str, Found] = {}  # all files that are there, by source
        self.closed: list[Path] = []  # folders that cannot be listed
        self._documents = self._chunks = 0  # since the last commit
        self._twins = Twins(index, options.likeness if options.duplicates == "skip" else None)
        self._lines = Repeats()
        self._again = False  # whether files are read for the second time

    def all(self, paths: Sequence[str | Path], progress: Progress | None) -> Report:
        """Bring in all files of some paths."""
        self.present = {file.source: file for file in self._found(paths)}
        folders = [path for path in paths if Path(path).is_dir()] if self.options.prune else ()
        return self.bring(list(self.present.values()), folders, progress)

    def bring(self, files: Sequence[Found], prune: Sequence[str | Path], progress: Progress | None) -> Report:
        """Bring in some files; then delete what came from the paths `prune` and is not in `present` any more."""
        gone, clock = self._gone(prune), Clock()
        self._twins.gone = set(gone)
        with Turns(self.options, self._is_unchanged) as turns:
            self._read(files, turns, clock, progress)
            self._delete(gone)
            if lost := self._lost():
                self._again = True
                self._read(lost, turns, clock, progress)
        self.index.commit()
        self.report.repeated(self._lines.found())
        self._tell(len(self.files), "", clock, progress)
        self.report.seconds = clock.seconds
        self.report.pages_per_second = self.pages / self.report.seconds if self.report.seconds else 0.0
        return self.report

    def _read(self, files: Sequence[Found], turns: Turns, clock: Clock, progress: Progress | None) -> None:
        before, sizes = len(self.files), [size_of(file) for file in files]
        self.files = [*self.files, *files]
        clock.begin(sizes)
        for done, turn in enumerate(turns.of(files, sizes), start=before):
            self._tell(done, turn.file.source, clock, progress)
            self._file(turn)
            clock.done(turn.size)

    def _lost(self) -> list[Found]:
        """Return the files of which something was left out for what has gone now; it is no duplicate any more."""
        lost = set(self._twins.lost())
        self.report.no_duplicates(lost)
        files = {s if s in self.present else s.split("#", 1)[0] for s in lost}
        return [self.present[file] for file in sorted(files) if file in self.present]

    def _tell(self, done: int, source: str, clock: Clock, progress: Progress | None) -> None:
        if progress:
            progress(done, len(self.files), source)
        if self.options.pace:
            report = self.report
            counted = (report.documents, report.chunks, self.pages)
            self.options.pace(Pace(done, len(self.files), source, *counted, clock.seconds, clock.seconds_left))

    def _found(self, paths: Sequence[str | Path]) -> Iterator[Found]:
        there = []
        for path in paths:
            if Path(path).is_file() or Path(path).is_dir():
                there.append(path)
            else:
                what = "is neither a file nor a folder" if Path(path).exists() else "there is no such file or folder"
                self.report.fail(str(path), f"{what}. Check the name and the working folder.")
        yield from discover(there, self.options.base, self.closed)
        for folder in self.closed:
            reason = "the folder cannot be listed; what came from it is kept. Change its permissions."
            self.report.fail(source_of(folder, self.options.base), reason)

    def _file(self, turn: Turn) -> None:
        """Bring one file in; its failure is recorded and stays its own."""
        source = turn.file.source
        try:
            if turn.error:
                raise turn.error
            if turn.documents is None:
                self._count_unchanged(len(self._held(source)))
                for item in filter(self._twins.settled, self._left_out(source)):
                    self.report.duplicate(item.source, item)
                return
            self._documents_of(source, turn.fingerprint, turn.documents)
        except (DocumentError, MissingExtraError) as error:
            self.report.fail(source, str(error))
        except ConsiliumError:
            raise
        except Exception as error:
            self.report.fail(source, reason_of(error))
        finally:
            turn.close()

    def _held(self, source: str) -> list[str]:
        """Return the sources that came from a file: its own, and those of its parts."""
        parts = f"{source}#"
        found = self.index.sources(source)
        return [s for s in found if s == source or (s.startswith(parts) and s not in self.present)]

    def _left_out(self, source: str) -> list[Any]:
        """Return what of a file was left out, as `_held`."""
        found, parts = self._twins.left_out(source), f"{source}#"
        return [i for i in found if i.source == source or (i.source.startswith(parts) and i.source not in self.present)]

    def _is_unchanged(self, file: Found, fingerprint: str) -> bool:
        """Tell whether the file, or one of its parts, carries the fingerprint of the file, and none was lost."""
        prints, left = self.options.prints(fingerprint), self._left_out(file.source)
        if not all(map(self._twins.settled, left)):
            return False
        held = (self.index.unchanged(source, each) for source in self._held(file.source) for each in prints)
        return any(item.fingerprint in prints for item in left) or any(held)

    def _count_unchanged(self, times: int = 1) -> None:
        self.report.unchanged += 0 if self._again else times

    def _documents_of(self, source: str, fingerprint: str, items: Iterable[Parsed | Broken]) -> None:
        """Add the documents of a file, and mark it as read at the end; then drop what the file no longer holds.

        A file with broken parts is not marked, so that it is read and its parts are named again next time; nothing it
        held is dropped, since the broken parts may have been that.
        """
        before, left_before = set(self._held(source)), {item.source for item in self._left_out(source)}
        first: Parsed | None = None
        carrier: Parsed | None = None
        broken: list[Broken] = []
        seen, eyes = set[str](), set[str]()
        for item in items:
            if isinstance(item, Broken):
                broken.append(item)
                continue
            eyes |= self.options.eyes(item.document.metadata)
            if first is not None and len(seen) == 1 and self._add(first, "", broken):
                carrier = first  # without a mark for now: it may carry that of what the file was before
            seen.add(item.document.source)
            if first is None:
                first = item
            elif self._add(item, content_id(item.document.id, self.options.identity), broken):
                carrier = carrier or item
        if first is None and not broken:
            raise DocumentError(f"{source}: no text in it.")
        fingerprint = self.options.seen_with(fingerprint, eyes)
        if first is not None and len(seen) == 1:
            self._add(first, "" if broken else fingerprint, broken)
        elif carrier is not None and not broken:
            self.index.add(*self._cut(self._hidden(carrier)), fingerprint=fingerprint)
        elif first is not None and not broken:  # nothing but duplicates
            self._twins.mark(first.document.source, fingerprint)
        self.report.broken(source, broken)
        if not broken:
            self._delete(sorted(before - seen))
            self._twins.forget(left_before - seen)

    def _delete(self, sources: Iterable[str]) -> None:
        for source in sources:
            self.index.delete_source(source)
            self.report.deleted += 1

    def _hidden(self, parsed: Parsed) -> Parsed:
        """Take persons out, where that is asked for: here, in order, so that pseudonyms do not depend on workers."""
        options = self.options
        return deidentify_parsed(parsed, mode=options.deidentify, vault=options.vault)

    def _repeats(self, document: Document, fingerprint: str) -> bool:
        """Leave out, and report, a document that another source holds; what its own source held goes."""
        source = document.source
        twin = self._twins.of(document)
        if twin is None:
            return False
        self.report.duplicate(source, twin)
        self._delete([source] if source in self._held(source) else [])
        self._twins.leave_out(source, twin, fingerprint)
        self._committed()
        return True

    def _cut(self, parsed: Parsed) -> tuple[Document, list[Chunk]]:
        options = self.options
        document = parsed.document
        chunks = chunk(
            document, max_tokens=options.max_tokens, count_tokens=options.count_tokens, headings=parsed.headings
        )
        return document, without_page_making(document, chunks) if options.boilerplate == "drop" else chunks

    def _add(self, parsed: Parsed, fingerprint: str, broken: list[Broken]) -> bool:
        """Add a document and tell whether it is held now; one that cannot be stored joins the broken parts."""
        source = parsed.document.source
        if fingerprint and self.index.unchanged(source, fingerprint):
            self._count_unchanged()
            return True
        try:
            parsed = self._hidden(parsed)
            if self._repeats(parsed.document, fingerprint):
                return False
            document, chunks = self._cut(parsed)
            change = self.index.add(document, chunks, fingerprint=fingerprint)
            self._twins.held(source)
        except DocumentError as error:
            broken.append(Broken(source, str(error)))
            return False
        self.report.warn(parsed)
        if change == "unchanged":
            self._count_unchanged()
        else:
            self.report.documents += 1
            self.report.updated += change == "updated"
            self.report.chunks += len(chunks)
            self._lines.add(document)
        self.pages += max(1, len(document.page_starts))
        self._committed(len(chunks))
        return True

    def _committed(self, chunks: int = 0) -> None:
        """Count a document, and commit where a batch is full."""
        self._documents += 1
        self._chunks += chunks
        if self._documents >= BATCH_DOCUMENTS or self._chunks >= BATCH_CHUNKS:
            self.index.commit()
            self._documents = self._chunks = 0

    def _gone(self, paths: Sequence[str | Path]) -> list[str]:
        """Return what came from files that have gone from the paths, closed folders apart; forget what was left out."""
        gone: dict[str, None] = {}
        for path in map(Path, paths):
            own = source_of(path.resolve(), self.options.base)
            folder = within(own) if path.is_dir() else None
            held = self._held(own) if folder is None else self.index.sources(folder)
            left = self._left_out(own) if folder is None else self._twins.left_out(folder)
            gone |= dict.fromkeys(source for source in held if self._is_gone(source, own))
            self._twins.forget(item.source for item in left if self._is_gone(item.source, own))
        return list(gone)

    def _is_gone(self, source: str, of: str) -> bool:
        kept = tuple(within(source_of(folder, self.options.base)) for folder in self.closed)
        there = self.present.keys() & {source, source.split("#", 1)[0]}
        return not (there or source.startswith(kept) or (of == "." and Path(source).is_absolute()))
