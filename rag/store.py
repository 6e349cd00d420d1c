"""A collection: one named body of documents that can be searched and changed, crash-safe.

SQLite is the truth. A commit first ends its transaction (with the next generation), then brings the two search legs up
to it, then writes the manifest for people. A crash in between leaves legs that lag: they are caught up at the next
opening, from the stored vectors, without embedding again. One process writes, any number read; a reader notices a new
commit at its next call.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from rag.embed import identity, unit
from rag.encoding import check_chunks
from rag.errors import LockedError, UserError
from rag.folder import WriteLock
from rag.guard import Guard, damaged
from rag.legs import MODES, Legs, Mode, Scored, TwoLegs
from rag.manifest import check_embedder, check_format, first_state, manifest_of, write_manifest
from rag.records import FILE, Records
from rag.schema import Change, Chunk, Document, Embedder, Hints, Passage, Where
from rag.shelf import collection_path as collection_path
from rag.shelf import delete_collection as delete_collection
from rag.shelf import list_collections as list_collections
from rag.shelf import unknown_collection
from rag.twins import TwinRecords

_UNEMBEDDED: Final = 4096  # chunks that may wait for their vectors; more are embedded before the next document


class Collection:
    """A searchable body of documents in one folder; open it with `Collection.open`. Threads may share one."""

    dense_weight: float | None = None  # share of the dense leg in [0, 1]; None: measured for the shipped embedder

    def __init__(self, path: Path, records: Records, embedder: Embedder | None, lock: WriteLock | None) -> None:
        self.path = path
        self._records = records
        self._embedder = embedder
        self._lock = lock
        self._guard = Guard(path, records, writable=lock is not None)
        self._unembedded = 0
        self._legs = TwoLegs(path, records, writing=lock is not None)
        self.twins = TwinRecords(self._guard, records)  # what is known of documents that say the same

    @classmethod
    def open(cls, path: Path, embedder: Embedder | None, *, writable: bool = False, create: bool = False) -> Collection:
        """Open the collection in the folder `path`.

        Args:
            path: its folder; made where it is missing with `create`, `writable` and an embedder.
            embedder: the one it was made with; None allows everything but adding and dense search.
            writable: take the write lock.
            create: whether it may be new.

        Raises:
            UnknownCollectionError: it does not exist.
            EmbedderMismatchError: it was made by another embedder.
            LockedError: another process is writing to it.
            StoreError: its files cannot be read or written.
        """
        making = writable and create and embedder is not None
        if not making and not (path / FILE).is_file():
            raise unknown_collection(path)
        check_format(path)
        lock = WriteLock(path) if writable else None
        records: Records | None = None
        try:
            if lock:
                path.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            records = Records(path, writable=writable)
            if not records.exists():
                if not making or embedder is None:
                    raise unknown_collection(path)
                records.create(first_state(identity(embedder)))
            check_embedder(path, records, embedder)
            collection = cls(path, records, embedder, lock)
            if writable:
                collection._publish()
            return collection
        except BaseException as error:
            if records:
                records.close()
            if lock:
                lock.release()
            if isinstance(error, sqlite3.Error | OSError):
                raise damaged(path, error) from error
            raise

    def close(self) -> None:
        """Close it; what is not committed is lost. Harmless when done twice."""
        with self._guard.reading():
            if self._lock:
                self._legs.flush()
                self._lock.release()
                self._lock = None  # closed again, nothing is written without it
            self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        with self._guard.reading():
            return self._records.count("chunks") if self._records.changing else int(self._records.state("chunks"))

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def generation(self) -> int:
        """The number of commits so far."""
        with self._guard.reading():
            return self._records.generation

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
            k: how many passages.
            where: metadata filter; with it k are still found where k match.
            mode: which legs search. Scores are BM25 for "lexical", cosine for "dense", in [0, 1] for "hybrid".
            fetch_k: candidates each leg hands to the fusion.
            hints: further words and favoured documents, for "hybrid".

        Raises:
            UserError: `k`, `mode` or `where` is not allowed.
        """
        vector = self._query_vector(query, mode)
        with self._guard.reading(), self._records.snapshot():
            depth = max(k, fetch_k) if mode == "hybrid" and k > 0 else k
            legs = self._legs.search(query, vector, depth, where, mode, hints)
            return self._records.passages(legs.ranked(query, k, mode, self.dense_weight), mode)

    def retrieve_vector(self, vector: Any, k: int, *, where: Where | None = None) -> list[Passage]:
        """Return at most k passages by cosine with a given vector, which need not have unit length."""
        with self._guard.reading(), self._records.snapshot():
            legs = self._legs.search("", unit(vector, self._dimension)[0], k, where, "dense")
            return self._records.passages(legs.dense, "dense")

    def legs(
        self, query: str, *, fetch_k: int, where: Where | None = None, mode: Mode = "hybrid", hints: Hints | None = None
    ) -> Legs:
        """Return the candidates of each leg before fusion; rows mean something to this collection only."""
        started = time.perf_counter()
        vector = self._query_vector(query, mode)
        embedded = time.perf_counter() - started
        with self._guard.reading(), self._records.snapshot():
            legs = self._legs.search(query, vector, fetch_k, where, mode, hints)
        return replace(legs, timings={"embed": embedded, **legs.timings})

    def passages(self, ranked: Sequence[Scored], retriever: str) -> list[Passage]:
        """Return the passages of (row, score), in that order; rows that are gone are left out."""
        with self._guard.reading(), self._records.snapshot():
            return self._records.passages(ranked, retriever)

    def named(self) -> tuple[tuple[str, str], ...]:
        """Return the different (organisation, ticker) pairs of the documents; "" where a document has none."""
        with self._guard.reading(), self._records.snapshot():
            return self._records.named()

    def _query_vector(self, query: str, mode: Mode) -> np.ndarray | None:
        if mode not in MODES:
            raise UserError(f"mode must be one of {', '.join(MODES)}, got {mode!r}.")
        if mode == "lexical" or not query.strip() or not len(self):
            return None
        if self._embedder is None:
            raise UserError(f"{self.name!r} was opened without an embedder: only mode 'lexical' can search.")
        return np.asarray(unit(self._embedder.embed_query(query), self._dimension)[0])

    def unchanged(self, source: str, fingerprint: str) -> bool:
        """Tell whether the source is stored with exactly this fingerprint."""
        with self._guard.reading():
            return self._records.unchanged(source, fingerprint)

    def add(self, document: Document, chunks: Sequence[Chunk], *, fingerprint: str = "") -> Change:
        """Store a document under its source, replacing what that source held; visible to others after `commit`.

        Raises:
            DocumentError: not valid Unicode, or a metadata value that cannot be stored; nothing was changed.
            StoreError: the disk refused; nothing since the last commit is stored.
        """
        check_chunks(document, chunks)
        with self._guard.writing():
            if self._unembedded >= _UNEMBEDDED:
                self._embed()
            with self._records.change():
                change = self._records.put(document, chunks, fingerprint)
            self._unembedded += len(chunks) if change != "unchanged" else 0
            return change

    def delete(self, doc_id: str) -> int:
        """Remove a document with all its sources; return how many chunks went, 0 when it is not here."""
        with self._guard.writing(), self._records.change():
            return self._records.remove(doc_id)

    def delete_source(self, source: str) -> int:
        """Remove a source; return how many chunks went, 0 when it is unknown or another source holds the same."""
        with self._guard.writing(), self._records.change():
            return self._records.remove_source(source)

    def commit(self) -> None:
        """Make all changes durable and visible, or none of them; where the disk refuses, StoreError tells which."""
        with self._guard.writing():
            if not self._records.changing:
                return
            self._embed()
            self._records.commit()
        self._publish()

    def compact(self) -> None:
        """Take what was deleted off the disk for good, after committing: every file is written anew.

        Raises:
            LockedError: a reader kept the log in use; deleted text may still be in it.
            StoreError: the disk refused.
        """
        self.commit()
        with self._guard.writing():
            with self._records.change():
                self._records.forget_gone()
            self._records.commit()
            emptied = self._records.vacuum()
        self._publish(anew=True)
        if not emptied:
            told = "was compacted, but another process was reading it, so that deleted text may still be in its log"
            raise LockedError(f"{self.name!r} {told} ({FILE}-wal). Close the readers and compact again.")

    def documents(self) -> list[dict[str, Any]]:
        """Return one row a source: id, source, title, language, chunks, pages, added_at (since 1970), superseded_by."""
        with self._guard.reading():
            return self._records.documents()

    def sources(self, prefix: str = "") -> list[str]:
        """Return the sources that start with `prefix`, those added since the last commit too."""
        with self._guard.reading():
            return self._records.sources(prefix)

    def document(self, doc_id: str) -> Document:
        """Return a document, whole; one that is not here raises UnknownDocumentError."""
        with self._guard.reading(), self._records.snapshot():
            return self._records.document(doc_id)

    def document_of_source(self, source: str) -> Document | None:
        """Return the document a source holds, None when the source is unknown."""
        with self._guard.reading(), self._records.snapshot():
            doc_id = self._records.id_of(source)
            return None if doc_id is None else self._records.document(doc_id)

    def chunks(self, doc_id: str) -> list[Chunk]:
        """Return the chunks of a document in order; one that is not here raises UnknownDocumentError."""
        with self._guard.reading(), self._records.snapshot():
            return self._records.chunks(doc_id)

    def stats(self) -> dict[str, Any]:
        """Return the manifest and the bytes on disk."""
        with self._guard.reading(), self._records.snapshot():
            manifest = manifest_of(self._records)
        size = sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())
        return {"name": self.name, **manifest, "bytes": size}

    @property
    def _dimension(self) -> int:
        return int(self._records.state("dimension"))

    def _publish(self, *, anew: bool = False) -> None:
        """Bring both legs and the manifest to the last commit."""
        with self._guard.publishing():
            self._legs.publish(anew=anew)
            write_manifest(self.path, manifest_of(self._records))

    def _embed(self) -> None:
        """Give every chunk of the open transaction its vector, in batches; one content is embedded once."""
        if self._embedder is None:
            raise UserError(f"{self.name!r} was opened without an embedder: nothing can be added.")
        make, dimension = self._embedder.embed_documents, self._dimension
        self._records.embed(lambda texts: unit(make(texts), dimension))
        self._unembedded = 0
