"""How documents come into a collection on Milvus and leave it: what waits, what a change brings along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from rag.embed import unit
from rag.errors import StoreError, UserError
from rag.integrations.milvus.ledger import Ledger, now
from rag.integrations.milvus.rows import Head, Held, chunk_row, document_rows, version_of
from rag.integrations.milvus.server import Server
from rag.integrations.milvus.where import among
from rag.schema import Change, Chunk, Document, Embedder

_UNEMBEDDED: Final = 1024
"""Chunks that may wait for their vectors; more are embedded before the next document is taken."""
_AT_ONCE: Final = 200
"""Chunks in one message: with texts, terms and vectors far below the 64 MB a server takes."""


class Intake:
    """Takes documents in, embeds their chunks in batches and writes them as rows of the commit to come.

    Args:
        server: where to.
        ledger: keeps what changes.
        chunks: the name Milvus knows the chunks by.
        embedder: None takes nothing in, but deletes.
        dimension: of the vectors.
    """

    def __init__(
        self, server: Server, ledger: Ledger, chunks: str, *, embedder: Embedder | None, dimension: int
    ) -> None:
        self._server = server
        self._ledger = ledger
        self._chunks = chunks
        self._embedder = embedder
        self._dimension = dimension
        self._waiting: list[tuple[dict[str, Any], str]] = []  # rows without vector, and the texts to embed
        self._papers: dict[str, list[dict[str, Any]]] = {}  # rows of documents
        self._known: dict[str, list[float]] = {}  # vectors of documents that are being replaced, by key

    def put(self, document: Document, chunks: Sequence[Chunk], fingerprint: str, born: int) -> Change:
        """Store a document under its source; what the source held before goes, unless another source holds it, too."""
        ledger, doc = self._ledger, version_of(document, chunks)
        before, known = ledger.held(document.source), ledger.head(document.id)
        if known and known.doc == doc and before and before.doc == doc:
            if before.fingerprint != fingerprint:
                ledger.hold(replace(before, fingerprint=fingerprint))
            return "unchanged"
        if known is None or known.doc != doc:
            self._take(document, chunks, doc, born)
        old = {head for head in (known.doc if known else "", before.doc if before else "") if head and head != doc}
        self._remember(sorted(old - ledger.changes.new.keys()))
        if known and known.doc != doc:  # all who hold the document hold it as it is now
            for held in ledger.holders([known.doc])[known.doc]:
                ledger.hold(replace(held, doc=doc))
        ledger.hold(Held(document.source, doc, fingerprint, now()))
        for gone in sorted(old):
            self._drop_unless_held(gone)
        if len(self._waiting) >= _UNEMBEDDED:
            self.write()
        return "updated" if before else "added"

    def remove(self, doc_id: str) -> int:
        """Remove a document with all its sources; return how many chunks went."""
        head = self._ledger.head(doc_id)
        if head is None:
            return 0
        for held in self._ledger.holders([head.doc])[head.doc]:
            self._ledger.release(held.source)
        return self._drop_unless_held(head.doc)

    def remove_source(self, source: str) -> int:
        """Remove a source, and its document where no other source holds it; return how many chunks went."""
        held = self._ledger.held(source)
        if held is None:
            return 0
        self._ledger.release(source)
        return self._drop_unless_held(held.doc)

    def write(self) -> None:
        """Embed what waits, each text once, and write it where nobody looks before the commit."""
        texts = {row["key"]: text for row, text in self._waiting if row["key"] not in self._known}
        if texts:
            if self._embedder is None:
                raise UserError("The collection was opened without an embedder: nothing can be added.")
            vectors = unit(self._embedder.embed_documents(list(texts.values())), self._dimension)
            if len(vectors) != len(texts):
                raise StoreError(f"The embedder returned {len(vectors)} vectors for {len(texts)} texts. Check it.")
            self._known |= dict(zip(texts, vectors.tolist(), strict=True))
        rows = [{**row, "meaning": self._known[row["key"]]} for row, _ in self._waiting]
        for start in range(0, len(rows), _AT_ONCE):
            self._server.call("upsert", self._chunks, rows[start : start + _AT_ONCE])
        self._ledger.write([row for papers in self._papers.values() for row in papers])
        self.clear()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting, self._papers, self._known = [], {}, {}

    def _take(self, document: Document, chunks: Sequence[Chunk], doc: str, born: int) -> None:
        changes = self._ledger.changes
        if doc in changes.gone:  # it was to leave with this commit: it stays
            changes.gone.discard(doc)
        else:
            rows = [chunk_row(document, chunk, doc, place, born) for place, chunk in enumerate(chunks)]
            self._papers[doc] = document_rows(document, doc, len(chunks), born)
            self._waiting += [(row, chunk.embedded_text) for row, chunk in zip(rows, chunks, strict=True)]
            told = (document.title, document.language, len(document.page_starts), len(chunks), document.metadata)
            changes.new[doc] = Head(document.id, doc, *told)
        changes.chunks += len(chunks)

    def _remember(self, docs: list[str]) -> None:
        """Keep the vectors of documents that go: a text that stays is not embedded again."""
        if docs:
            for row in self._server.query(self._chunks, among("doc", docs), ["key", "meaning"]):
                self._known[row["key"]] = row["meaning"]

    def _drop_unless_held(self, doc: str) -> int:
        if self._ledger.holders([doc])[doc]:
            return 0
        head = self._ledger.heads([doc])[doc]
        self._waiting = [item for item in self._waiting if item[0]["doc"] != doc]
        self._papers.pop(doc, None)
        self._ledger.discard(head)
        return head.chunks
