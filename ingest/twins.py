"""Documents that say what another source says already: found while a batch comes in, against what the index holds.

A collection keeps the signatures of its documents and the sources that were left out (`rag.twins`); of another index
only the batch itself is compared, word for word, and what was left out is found anew each time. Signatures that are
missing are computed when the first new document comes (1 ms for 10,000 characters).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from ingest.dedupe import Deduper, Duplicate, InMemory, Kept
from ingest.signature import Signature, signature, version
from rag.schema import Document, Index


class Memory(Kept, Protocol):
    """What a collection remembers of twins."""

    def missing(self, version: str) -> list[str]:
        """Return one source of each document that has no signature of this version."""

    def leave_out(self, source: str, of: str, fingerprint: str, rule: str, similarity: float, kind: str) -> None:
        """Remember that a source is left out because the source `of` says the same."""

    def left_out(self, prefix: str = "", *, lost: bool = False) -> list[Any]:
        """Return the sources that were left out and start with `prefix`; with `lost`, those whose twin has gone."""

    def forget(self, sources: Sequence[str]) -> None:
        """Remember no longer that sources were left out."""


@runtime_checkable
class Holding(Protocol):
    """An index that shows what it holds and remembers what was left out of it."""

    @property
    def twins(self) -> Memory:
        """What it remembers."""

    def document_of_source(self, source: str) -> Document | None:
        """Return the document a source holds."""


class Twins:
    """What an index holds, and what was left out of it.

    Args:
        index: where documents go.
        threshold: likeness from which a document is left out; None to leave none out: those that were come in then.
    """

    def __init__(self, index: Index, threshold: float | None) -> None:
        self._index = index if isinstance(index, Holding) else None
        self._memory = index.twins if isinstance(index, Holding) else None
        kept = self._memory or InMemory()
        self._deduper = None if threshold is None else Deduper(kept, self._document, threshold)
        self._coming: tuple[str, Signature] | None = None
        self._filled = False
        self.gone: Collection[str] = ()
        """Sources that are about to be deleted, and count for nothing."""

    def of(self, document: Document) -> Duplicate | None:
        """Return which source says the same as a document that comes in; None where it is to be held itself."""
        if self._deduper is None:
            return None
        self._fill(self._deduper)
        of = signature(document)
        self._coming = document.source, of
        return self._deduper.find(document, of, self.gone)

    def held(self, source: str) -> None:
        """Keep the signature of the document that was asked about last: its source holds it now."""
        if self._deduper and self._coming and self._coming[0] == source:
            self._deduper.keep(*self._coming)

    def leave_out(self, source: str, twin: Duplicate, fingerprint: str) -> None:
        """Remember that a source, whose bytes have a fingerprint, is left out."""
        if self._memory and self._deduper:
            self._memory.leave_out(source, twin.of, fingerprint, self._deduper.rule, twin.similarity, twin.kind)

    def mark(self, source: str, fingerprint: str) -> None:
        """Give a source that was left out another fingerprint."""
        for item in self.left_out(source):
            if item.source == source and item.of and self._memory:
                self._memory.leave_out(source, item.of, fingerprint, item.rule, item.similarity, item.kind)

    def left_out(self, prefix: str) -> list[Any]:
        """Return what was left out: source, of (None where that has gone), fingerprint, rule, similarity, kind."""
        return self._memory.left_out(prefix) if self._memory else []

    def lost(self) -> list[str]:
        """Return the sources that were left out for something that is no longer there."""
        return [item.source for item in self._memory.left_out(lost=True)] if self._memory else []

    def forget(self, sources: Iterable[str]) -> None:
        """Remember no longer that sources were left out."""
        if self._memory:
            self._memory.forget(list(sources))

    def settled(self, item: Any) -> bool:
        """Tell whether a source that was left out would be left out again, its bytes being the same."""
        there = item.of is not None and item.of not in self.gone
        return there and self._deduper is not None and item.rule == self._deduper.rule

    def _fill(self, deduper: Deduper) -> None:
        """Compute the signatures that the index lacks."""
        if self._filled:
            return
        self._filled = True
        for source in self._memory.missing(version()) if self._memory else ():
            held = self._document(source)
            if held is not None:
                deduper.keep(source, signature(held if held.source == source else replace(held, source=source)))

    def _document(self, source: str) -> Document | None:
        return self._index.document_of_source(source) if self._index else None
