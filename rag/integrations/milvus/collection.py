"""A collection on Milvus, for more than one machine holds: the same `Index` as a folder.

`uri` decides: a file that ends in ".db" is Milvus Lite inside this process, http(s)://host:port a server or a cluster.
Documents, sources, chunks and vectors are all there; nothing is kept on this machine. Both legs are Milvus' own: its
BM25 function over our index terms (English stems, Chinese words and bigrams), and inner products of unit vectors. They
are fused here, as everywhere. Milvus counts words a segment (Lite) or a shard (a cluster) at a time, so that BM25
scores differ a little from those of a folder.

One writes, any number read. The writer's name stands in the collection for as long as it writes; that is a courtesy
among those who look, not a lock: Milvus has none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Self

from rag.embed import identity, unit
from rag.encoding import check_chunks
from rag.errors import LockedError, StoreError, UnknownDocumentError, UserError
from rag.integrations.milvus.intake import Intake
from rag.integrations.milvus.ledger import Ledger
from rag.integrations.milvus.rows import CHUNK_FIELDS, Head, State, chunk_of, document_of, first_state_of
from rag.integrations.milvus.search import Finder
from rag.integrations.milvus.server import Server, base_of, bases, chunks_of, records_of
from rag.integrations.milvus.shelf import unknown_collection
from rag.integrations.milvus.where import among
from rag.integrations.milvus.writer import Writer
from rag.legs import MODES, Legs, Mode, Scored
from rag.schema import Change, Chunk, Document, Embedder, Hints, Passage, Where


class MilvusCollection:
    """A searchable body of documents on Milvus; open it with `MilvusCollection.open`. Threads may share one."""

    dense_weight: float | None = None  # share of the dense leg in [0, 1]; None: measured for the shipped embedder

    def __init__(self, server: Server, state: State, embedder: Embedder | None, writer: Writer | None) -> None:
        self._server = server
        self._ledger = Ledger(server, base_of(state.name))
        self._chunks = chunks_of(base_of(state.name))
        self._find = Finder(server, self._ledger, self._chunks)
        self._intake = Intake(server, self._ledger, self._chunks, embedder=embedder, dimension=state.dimension)
        self._embedder = embedder
        self._writer = writer
        self._mutex = threading.RLock()
        self._dimension = state.dimension
        self.name = state.name
        if writer:
            self._ledger.begin(state)

    @classmethod
    def open(
        cls,
        uri: str,
        name: str,
        embedder: Embedder | None,
        *,
        writable: bool = False,
        create: bool = False,
        token: str = "",
    ) -> MilvusCollection:
        """Open the collection called `name` at `uri`.

        `uri` and `token` are those of `Server`, the rest as `rag.store.Collection.open` has it, with its errors.

        Raises:
            LockedError: another one is writing to it, or another process has the file of Milvus Lite open.
            StoreError: the server cannot be reached.
        """
        server = Server(uri, token)
        writer: Writer | None = None
        try:
            base = base_of(name)
            there = base in bases(server)
            if not there:
                if not (writable and create and embedder):
                    raise unknown_collection(server, name)
                server.make(base, identity(embedder).dimension)
            server.load(base)
            ledger = Ledger(server, base)
            writer = Writer(server, base, name) if writable else None
            state = ledger.state()
            if state is None:
                if not (writable and create and embedder):
                    raise unknown_collection(server, name)
                state = first_state_of(name, identity(embedder))
                ledger.create(state)
            if embedder is not None:
                state.check(identity(embedder))
            return cls(server, state, embedder, writer)
        except BaseException:
            if writer:
                writer.release()
            server.close()
            raise

    def close(self) -> None:
        """Close it; what is not committed is lost. Harmless when done twice."""
        with self._mutex:
            if self._writer:
                with suppress(StoreError):  # where the server is away, the next writer cleans up
                    self._ledger.rollback()
                    self._writer.release()
            self._writer = None
            self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._state().chunks + self._ledger.changes.chunks

    @property
    def generation(self) -> int:
        """The number of commits so far."""
        return self._state().generation

    def retrieve(
        self,
        query: str,
        k: int,
        *,
        where: Where | None = None,
        mode: Mode = "hybrid",
        fetch_k: int = 1000,
        hints: Hints | None = None,
    ) -> list[Passage]:
        """Return at most k passages, best first.

        Args:
            query: the search string; a blank one finds nothing.
            k: how many passages, at most 16,384.
            where: metadata filter; with it k are still found where k match.
            mode: which legs search. Scores are BM25 for "lexical", cosine for "dense", in [0, 1] for "hybrid".
            fetch_k: candidates each leg hands to the fusion.
            hints: further words and favoured documents; they count in "hybrid" alone.

        Raises:
            UserError: `k`, `mode` or `where` is not allowed.
            StoreError: the server cannot be reached.
        """
        state, depth = self._state(), self._find.depth(k, fetch_k) if mode == "hybrid" and k > 0 else k
        legs = self._legs(state, query, depth, where, mode, hints)
        return self._find.passages(state, legs.ranked(query, k, mode, self.dense_weight), mode)

    def retrieve_vector(self, vector: Any, k: int, *, where: Where | None = None) -> list[Passage]:
        """Return at most k passages by cosine with a given vector, which need not have unit length."""
        state = self._state()
        legs = self._find.legs(state, "", unit(vector, self._dimension)[0], k, where=where)
        return self._find.passages(state, legs.dense, "dense")

    def legs(
        self, query: str, *, fetch_k: int, where: Where | None = None, mode: Mode = "hybrid", hints: Hints | None = None
    ) -> Legs:
        """Return the candidates of each leg before fusion; rows are numbers of this collection's chunks."""
        return self._legs(self._state(), query, fetch_k, where, mode, hints)

    def _legs(self, state: State, query: str, k: int, where: Where | None, mode: Mode, hints: Hints | None) -> Legs:
        if mode not in MODES:
            raise UserError(f"mode must be one of {', '.join(MODES)}, got {mode!r}.")
        started, vector = time.perf_counter(), None
        if mode != "lexical" and query.strip() and state.chunks:
            if self._embedder is None:
                raise UserError(f"{self.name!r} was opened without an embedder: only mode 'lexical' can search.")
            vector = unit(self._embedder.embed_query(query), self._dimension)[0]
        embedded = time.perf_counter() - started
        words, hints = ("" if mode == "dense" else query), (hints if mode == "hybrid" else None)
        legs = self._find.legs(state, words, vector, k, where=where, hints=hints)
        return replace(legs, timings={"embed": embedded, **legs.timings})

    def named(self) -> tuple[tuple[str, str], ...]:
        """Return the different (organisation, ticker) pairs of the documents; "" where a document has none."""
        return self._find.kept.named(self._state())

    def passages(self, ranked: Sequence[Scored], retriever: str) -> list[Passage]:
        """Return the passages of (row, score), in that order; rows that are gone are left out."""
        return self._find.passages(self._state(), ranked, retriever)

    def unchanged(self, source: str, fingerprint: str) -> bool:
        """Tell whether the source is stored with exactly this fingerprint; an empty one never is."""
        held = self._ledger.held(source) if fingerprint else None
        return held is not None and held.fingerprint == fingerprint

    def add(self, document: Document, chunks: Sequence[Chunk], *, fingerprint: str = "") -> Change:
        """Store a document under its source, replacing what that source held; visible to others after `commit`.

        Raises:
            DocumentError: not valid Unicode, metadata that cannot be stored, a chunk too long; nothing was changed.
            StoreError: the server refused; nothing since the last commit is stored.
        """
        check_chunks(document, chunks)
        with self._writing():
            return self._intake.put(document, chunks, fingerprint, self._state().generation + 1)

    def delete(self, doc_id: str) -> int:
        """Remove a document with all its sources; return how many chunks went, 0 when it is not here."""
        with self._writing():
            return self._intake.remove(doc_id)

    def delete_source(self, source: str) -> int:
        """Remove a source; return how many chunks went, 0 when it is unknown or another source holds the same."""
        with self._writing():
            return self._intake.remove_source(source)

    def commit(self) -> None:
        """Make all changes durable and visible, or none of them.

        Raises:
            LockedError: another one has taken over the writing.
            StoreError: the server refused; nothing since the last commit is stored.
        """
        with self._writing() as writer:
            if not self._ledger.changes:
                return
            self._intake.write()
            writer.check()
            self._ledger.commit()
            if self._server.lite:  # its BM25 would count otherwise once the file is opened again
                self._server.call("flush", self._chunks)

    def compact(self) -> None:
        """Commit, and ask Milvus to take what was deleted off its disks; when it does is its own affair."""
        self.commit()
        with self._writing():
            for name in (self._chunks, records_of(base_of(self.name))):
                self._server.call("flush", name)
                self._server.call("compact", name)

    def documents(self) -> list[dict[str, Any]]:
        """Return one row a source: id, source, title, language, chunks, pages, added_at (since 1970), superseded_by."""
        return self._ledger.documents()

    def sources(self, prefix: str = "") -> list[str]:
        """Return the sources that start with `prefix`, those added since the last commit too."""
        return [held.source for held in self._ledger.every_source() if held.source.startswith(prefix)]

    def document(self, doc_id: str) -> Document:
        """Return a document, whole; one that is not here raises UnknownDocumentError."""
        head = self._head(doc_id)
        return self._whole(head, self._ledger.holders([head.doc])[head.doc][0].source)

    def document_of_source(self, source: str) -> Document | None:
        """Return the document a source holds, None when the source is unknown."""
        held = self._ledger.held(source)
        return self._whole(self._ledger.heads([held.doc])[held.doc], source) if held else None

    def chunks(self, doc_id: str) -> list[Chunk]:
        """Return the chunks of a document in order; one that is not here raises UnknownDocumentError."""
        head = self._head(doc_id)
        self._written(head.doc)
        rows = self._server.query(self._chunks, among("doc", [head.doc]), [*CHUNK_FIELDS, "place"])
        return [chunk_of(row) for row in sorted(rows, key=lambda row: row["place"])]

    def stats(self) -> dict[str, Any]:
        """Return what a folder's manifest says, where it is, and the bytes on disk; None where they are another's."""
        return {**self._ledger.counted(self._state()), "uri": self._server.uri, "bytes": self._server.size()}

    def _head(self, doc_id: str) -> Head:
        if head := self._ledger.head(doc_id):
            return head
        told = f"There is no document with the id {doc_id!r} here. `consilium docs list` shows the ids there are."
        raise UnknownDocumentError(told)

    def _written(self, doc: str) -> None:
        """Write a document that waits, so that it can be read."""
        with self._mutex:
            if doc in self._ledger.changes.new:
                self._intake.write()

    def _whole(self, head: Head, source: str) -> Document:
        self._written(head.doc)
        return document_of(head, source, self._ledger.pieces(head.doc))

    def _state(self) -> State:
        state = self._ledger.state()
        if state is None:
            raise unknown_collection(self._server, self.name)
        return state

    @contextmanager
    def _writing(self) -> Iterator[Writer]:
        """Change something; what the server refuses takes back everything since the last commit."""
        if self._writer is None:
            raise UserError(f"{self.name!r} was opened for reading. Open it with writable=True to change it.")
        with self._mutex:
            try:
                yield self._writer
            except (StoreError, LockedError):
                self._intake.clear()
                with suppress(StoreError):
                    self._ledger.rollback()
                raise
