"""What a reader remembers of documents between two commits, so that a query need not ask for it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rag.integrations.milvus.ledger import Ledger
from rag.integrations.milvus.rows import Head, State

_MOST: Final = 10_000
"""Documents that are remembered at a time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What passages say of the document they are from: its head, its first source, the mark of a newer version."""

    head: Head
    source: str
    mark: Mapping[str, Any]


@dataclass(slots=True)
class _Commit:
    """What was looked up since a commit; None: no source holds such a document."""

    generation: int
    told: dict[str, Told | None] = field(default_factory=dict)
    named: tuple[tuple[str, str], ...] | None = None


class Kept:
    """Looks documents up in the ledger, once a commit. Where changes wait for one, nothing is kept."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last = _Commit(-1)

    def named(self, state: State) -> tuple[tuple[str, str], ...]:
        """Return the different (organisation, ticker) pairs of the documents; "" where a document has none."""
        commit = self._of(state)
        if commit.named is None:
            told = [head.metadata for head in self._ledger.every_head().values()]
            commit.named = tuple(sorted({(str(m.get("organisation") or ""), str(m.get("ticker") or "")) for m in told}))
        return commit.named

    def told(self, docs: set[str], state: State) -> dict[str, Told]:
        """Return what is told of those documents that some source holds."""
        commit = self._of(state)
        kept = commit.told
        found = {doc: kept[doc] for doc in docs & kept.keys()}
        if missing := sorted(docs - found.keys()):
            new = self._look_up(missing, state)
            commit.told = kept | new if len(kept) + len(new) <= _MOST else new  # other threads go on with theirs
            found |= new
        return {doc: told for doc, told in found.items() if told}

    def _look_up(self, docs: list[str], state: State) -> dict[str, Told | None]:
        heads, holders = self._ledger.heads_and_holders(docs, state)
        heads = {doc: head for doc, head in heads.items() if holders.get(doc)}
        newer = self._ledger.newer(heads)
        marks = {doc: edition.mark for doc, edition in newer.items()}
        told = {doc: Told(head, holders[doc][0].source, marks.get(doc, {})) for doc, head in heads.items()}
        return {doc: told.get(doc) for doc in docs}

    def _of(self, state: State) -> _Commit:
        if self._ledger.changes:
            return _Commit(state.generation)
        last = self._last
        if last.generation != state.generation:
            last = self._last = _Commit(state.generation)
        return last
