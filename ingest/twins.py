"""Documents that say what another source says already: found while a batch comes in, against what the index holds.

The signatures of what is held are computed when the first new document comes (about 0.1 ms a paragraph, 75 ms for a
filing of 350,000 characters), and live as long as the batch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol, runtime_checkable

from ingest.dedupe import Deduper, Duplicate
from rag.schema import Document, Index


@runtime_checkable
class Holding(Protocol):
    """An index that can show what it holds; of one that cannot, only the batch itself is compared."""

    def document_of_source(self, source: str) -> Document | None:
        """Return the document a source holds."""


class Twins:
    """What is held and what came in; `gone` are sources that are about to be deleted, and count for nothing."""

    def __init__(self, index: Index, threshold: float, gone: Collection[str]) -> None:
        self._index, self._gone = index, gone
        self._threshold = threshold
        self._deduper: Deduper | None = None

    def of(self, document: Document) -> Duplicate | None:
        """Return which source says the same as a document that comes in; None where it is to be held itself."""
        if self._deduper is None:
            self._deduper = self._filled()
        return self._deduper.add(document)

    def _filled(self) -> Deduper:
        deduper = Deduper(self._threshold)
        if isinstance(self._index, Holding):
            for source in self._index.sources():
                held = None if source in self._gone else self._index.document_of_source(source)
                if held is not None:
                    deduper.add(held if held.source == source else replace(held, source=source))
        return deduper
