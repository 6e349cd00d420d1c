"""What is in a collection on Milvus, as one reader or the one writer sees it, and how a commit is made of many rows.

Milvus has no transactions. New rows are written with the number of the commit to come, which nobody looks at; then the
row of the state takes that number, from one moment to the next; then what was replaced or deleted is removed. Until
that is done it is listed in rows of their own ("leaving") and left out of every search. Whoever opens a collection to
write removes what a writer that was killed left behind, and ends the removal it began.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rag.integrations.milvus.rows import (
    RECORD_FIELDS,
    STATE,
    Head,
    Held,
    State,
    head_of,
    held_of,
    record,
    source_key,
    state_of,
)
from rag.integrations.milvus.server import BATCH, Server, chunks_of, records_of
from rag.integrations.milvus.where import among
from rag.schema import content_id
from rag.versions import Edition, superseded


@dataclass(slots=True)
class Changes:
    """What the next commit will bring. `sources`: None where one was removed; `gone`: documents that leave."""

    sources: dict[str, Held | None] = field(default_factory=dict)
    new: dict[str, Head] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)  # rows of sources as they were
    chunks: int = 0  # how many more there will be

    def __bool__(self) -> bool:
        return bool(self.sources or self.new or self.gone)


class Ledger:
    """Sources, documents and the state of a collection, with what is not committed laid over them."""

    def __init__(self, server: Server, base: str) -> None:
        self._server = server
        self._records = records_of(base)
        self._chunks = chunks_of(base)
        self._state: State | None = None
        self.changes = Changes()

    def state(self) -> State | None:
        """Return the last commit; None where there is no collection. A writer remembers its own."""
        if self._state is not None:
            return self._state
        found = self._server.get(self._records, [STATE], ["body"])
        return state_of(found[0]) if found else None

    def begin(self, state: State) -> State:
        """Take the part of the writer: remove what another one left unfinished."""
        self._forget(f"born > {state.generation}")
        self._state = self._depart(state) if state.leaving else state
        return self._state

    def seen(self, state: State, *, records: bool = False) -> str:
        """Return the expression for the rows there are as of the state: of the chunks, or of the records."""
        docs, rows = self._leaving(state)
        docs |= self.changes.gone
        terms = [f"born <= {state.generation}"]
        terms += [f"not ({among('doc', sorted(docs))})"] if docs else []
        terms += [f"not ({among('pk', sorted(rows))})"] if rows and records else []
        return " and ".join(terms)

    def held(self, source: str) -> Held | None:
        """Return what a source holds."""
        if source in self.changes.sources:
            return self.changes.sources[source]
        found = self._query(f'kind == "source" and {among("key", [source_key(source)])}')
        return held_of(found[0]) if found else None

    def holders(self, docs: Iterable[str]) -> dict[str, list[Held]]:
        """Return the sources that hold each document, the first added first."""
        docs = sorted(set(docs))
        stored = [held_of(row) for part in _parts(docs) for row in self._query(f'kind == "source" and {_docs(part)}')]
        return self._by_doc(docs, stored)

    def every_source(self) -> list[Held]:
        """Return what every source holds, in the order of their names."""
        stored = [held_of(row) for row in self._query('kind == "source"')]
        return sorted(self._overlaid(stored), key=lambda held: held.source)

    def docs_of(self, sources: Iterable[str]) -> list[str]:
        """Return the documents that the sources hold."""
        return sorted({held.doc for held in map(self.held, set(sources)) if held})

    def head(self, doc_id: str) -> Head | None:
        """Return what is told of the document with an id."""
        for head in self.changes.new.values():
            if head.id == doc_id:
                return head
        found = self._query(f'kind == "document" and {among("key", [doc_id])}')
        return head_of(found[0]) if found else None

    def heads(self, docs: Iterable[str]) -> dict[str, Head]:
        """Return what is told of documents."""
        parts = _parts(sorted(set(docs)))
        rows = [row for part in parts for row in self._query(f'kind == "document" and {_docs(part)}')]
        return {row["doc"]: head_of(row) for row in rows} | self.changes.new

    def heads_and_holders(self, docs: list[str], state: State) -> tuple[dict[str, Head], dict[str, list[Held]]]:
        """Return both of documents in one look, as of the state."""
        asked = [f'kind in ["document", "source"] and {_docs(part)}' for part in _parts(docs)]
        rows = [row for condition in asked for row in self._query(condition, state)]
        heads = {row["doc"]: head_of(row) for row in rows if row["kind"] == "document"}
        heads |= {doc: head for doc, head in self.changes.new.items() if doc in docs}
        return heads, self._by_doc(docs, (held_of(row) for row in rows if row["kind"] == "source"))

    def every_head(self) -> dict[str, Head]:
        """Return what is told of every document."""
        return {row["doc"]: head_of(row) for row in self._query('kind == "document"')} | self.changes.new

    def newer(self, heads: Mapping[str, Head]) -> dict[str, Edition]:
        """Return the newer version of each of these documents that has one (see `rag.versions`)."""
        names = {str(head.metadata["series"]) for head in heads.values() if head.metadata.get("series")}
        hashed = sorted(content_id(name) for name in names)
        rows = self._query(f'kind == "document" and {among("series", hashed)}') if names else []
        together = [head_of(row) for row in rows]
        held = self.holders(head.doc for head in together)
        editions = [
            Edition(number, held[head.doc][0].source, head.title, head.metadata)
            for number, head in enumerate(together)
            if held[head.doc]
        ]
        found = superseded(editions)
        return {together[number].doc: edition for number, edition in found.items()}

    def documents(self) -> list[dict[str, Any]]:
        """Return one row a source, in the order of their names, as `Index` listings are."""
        heads = self.every_head()
        newer = self.newer(heads)
        rows: list[dict[str, Any]] = []
        for held in self.every_source():
            head = heads[held.doc]
            told = {"id": head.id, "source": held.source, "title": head.title, "language": head.language}
            counts = {"chunks": head.chunks, "pages": head.pages, "added_at": held.added_at}
            by = newer[held.doc].source if held.doc in newer else None
            rows.append({**told, **counts, "superseded_by": by})
        return rows

    def counted(self, state: State) -> dict[str, Any]:
        """Return what the manifest of a folder says."""
        counts = {"documents": len(self.every_head()), "sources": len(self.every_source()), "chunks": state.chunks}
        embedder = {"id": state.embedder, "weight_hash": state.weight_hash, "dimension": state.dimension}
        told = {"name": state.name, "format_version": state.format_version, "embedder": embedder, "counts": counts}
        return {**told, "generation": state.generation, "created_at": state.created_at}

    def pieces(self, doc: str) -> list[dict[str, Any]]:
        """Return the rows a document was written into."""
        return self._server.query(self._records, f'kind == "piece" and {_docs([doc])}', RECORD_FIELDS)

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Write rows of the records."""
        for start in range(0, len(rows), BATCH // 10):  # 100 rows of at most 64 KB
            self._server.call("upsert", self._records, rows[start : start + BATCH // 10])

    def hold(self, held: Held) -> None:
        """Let a source hold something."""
        before = self.changes.sources.get(held.source) or self.held(held.source)
        if before and before.pk:
            self.changes.stale.add(before.pk)
        self.changes.sources[held.source] = held

    def release(self, source: str) -> None:
        """Take a source away."""
        before = self.held(source)
        if before and before.pk:
            self.changes.stale.add(before.pk)
        self.changes.sources[source] = None

    def discard(self, head: Head) -> None:
        """Take a document away, be it of this commit or of an earlier one."""
        if self.changes.new.pop(head.doc, None):
            self._forget(_docs([head.doc]))
        else:
            self.changes.gone.add(head.doc)
        self.changes.chunks -= head.chunks

    def commit(self) -> None:
        """Make the changes what everybody sees; then remove what they took out."""
        state, changes = self._state, self.changes
        assert state is not None, "only a writer commits"
        born = state.generation + 1
        self.write([held.row(born) for held in changes.sources.values() if held])
        leaving = [record("leaving", "", doc, born) for doc in changes.gone]
        leaving += [record("leaving", pk, "", born) for pk in changes.stale]
        self.write(leaving)
        now = replace(state, generation=born, chunks=state.chunks + changes.chunks, leaving=bool(leaving))
        self.write([now.row()])
        self._state, self.changes = now, Changes()
        if leaving:
            self._state = self._depart(now)

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        changes, self.changes = self.changes, Changes()
        if changes and self._state is not None:
            self._forget(f"born > {self._state.generation}")

    def create(self, state: State) -> None:
        """Write the first state."""
        self.write([state.row()])

    def _depart(self, state: State) -> State:
        docs, rows = self._leaving(state)
        for part in _parts(sorted(docs)):
            self._forget(_docs(part))
        for part in _parts(sorted(rows)):
            self._server.call("delete", self._records, ids=part)
        state = replace(state, leaving=False)
        self._server.call("delete", self._records, filter='kind == "leaving"')
        self.write([state.row()])
        return state

    def _forget(self, condition: str) -> None:
        for name in (self._chunks, self._records):
            self._server.call("delete", name, filter=condition)

    def _leaving(self, state: State) -> tuple[set[str], set[str]]:
        if not state.leaving:
            return set(), set()
        rows = self._server.query(self._records, f'kind == "leaving" and born == {state.generation}', ["key", "doc"])
        return {row["doc"] for row in rows if row["doc"]}, {row["key"] for row in rows if row["key"]}

    def _query(self, condition: str, state: State | None = None) -> list[dict[str, Any]]:
        state = state or self.state()
        if state is None:
            return []
        return self._server.query(self._records, f"{condition} and {self.seen(state, records=True)}", RECORD_FIELDS)

    def _by_doc(self, docs: Iterable[str], stored: Iterable[Held]) -> dict[str, list[Held]]:
        found: dict[str, list[Held]] = {doc: [] for doc in docs}
        for held in self._overlaid(stored):
            if held.doc in found:
                found[held.doc].append(held)
        return {doc: sorted(several, key=lambda h: (h.added_at, h.source)) for doc, several in found.items()}

    def _overlaid(self, stored: Iterable[Held]) -> Iterator[Held]:
        changed = self.changes.sources
        yield from (held for held in stored if held.source not in changed)
        yield from (held for held in changed.values() if held)


def now() -> float:
    """Return the seconds since 1970."""
    return time.time()


def _docs(docs: list[str]) -> str:
    return among("doc", docs)


def _parts(items: list[str]) -> list[list[str]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
