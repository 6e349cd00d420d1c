"""What becomes of a query at each step of a search: understood, found by each leg, fused, set back or read again.

Nothing here searches by itself: the steps are those of the index and of `rag.retrieve.Search`, asked once more with the
same arguments, and the last order is the one a reader gets. Because legs and the whole search are asked one after the
other, a commit in between can show in one and not in the other; `generation` tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from rag.fuse import shares
from rag.language import HAN, han_terms, latin_terms
from rag.legs import Legs, Mode, Scored
from rag.retrieve import SPARE, Search, clean_query
from rag.schema import Hints, Passage, Where
from rag.understand import Understood
from rag.versions import is_set_back

SHOWN: Final = 20
"""Candidates of each leg, and of both together, that are shown with their texts."""
READ: Final = 100
"""Candidates after the fusion that a reranker may have read."""
_LATIN: Final = re.compile(rf"[^\W_{HAN}]+")


class Explainable(Protocol):
    """An index that shows its legs; `rag.store.Collection` and the one on Milvus are such."""

    dense_weight: float | None

    @property
    def generation(self) -> int:
        """The number of commits so far."""

    def __len__(self) -> int:
        """Return the number of chunks."""

    def legs(
        self, query: str, *, fetch_k: int, where: Where | None = None, mode: Mode = "hybrid", hints: Hints | None = None
    ) -> Legs:
        """Return the candidates of each leg before fusion."""

    def passages(self, ranked: Sequence[Scored], retriever: str) -> list[Passage]:
        """Return the passages of (row, score)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, and how many candidates each leg was to bring."""

    query: str
    k: int
    where: Where = field(default_factory=dict)
    mode: Mode = "hybrid"
    fetch_k: int = 1000
    reranker: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """Place and score in one list; scores of a leg are BM25 or cosine."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage and how it fared. `fused.score` is `by_words + by_meaning + boost`, except where one leg searched.

    `final` is None for what did not come back to the reader. `expanded` words alone may have brought a lexical hit.
    """

    passage: Passage
    lexical: Hit | None
    dense: Hit | None
    fused: Hit
    by_words: float = 0.0
    by_meaning: float = 0.0
    boost: float = 0.0
    final: Hit | None = None
    set_back: bool = False

    @property
    def moved(self) -> int | None:
        """How many places it went up after the fusion (negative: down); None for what was not returned."""
        return self.fused.rank - self.final.rank if self.final else None


@dataclass(frozen=True, slots=True)
class Explained:
    """A search, step by step. `timings` are seconds; "search" is the whole of it as a reader waits for it.

    `counts` says how many each leg found, and how many chunks there are. `candidates` come in the last order, then
    those that were not returned in the order of the fusion.
    """

    asked: Asked
    understood: Understood
    candidates: tuple[Candidate, ...]
    counts: Mapping[str, int]
    timings: Mapping[str, float]
    generation: int
    kind: str

    def best(self, leg: str) -> list[Candidate]:
        """Return the candidates of a leg ("lexical" or "dense"), its best first."""
        found = [(getattr(candidate, leg), candidate) for candidate in self.candidates]
        return [candidate for hit, candidate in sorted(((h, c) for h, c in found if h), key=lambda item: item[0].rank)]


def explain(search: Search, index: Explainable, asked: Asked) -> Explained:
    """Return what becomes of a query in `search`, which looks into `index` as `asked` says.

    Raises:
        UserError: the query is empty, k is less than 1, or the filter cannot be looked up.
    """
    timings: dict[str, float] = {}
    query = clean_query(asked.query)
    with _timed(timings, "search"):
        final = search.retrieve(query, asked.k, where=asked.where or None)
    with _timed(timings, "understand"):
        understood = search.understand(query)
    depth = max(asked.fetch_k, asked.k) if asked.mode == "hybrid" else max(asked.k, SHOWN)
    legs = index.legs(query, fetch_k=depth, where=asked.where or None, mode=asked.mode, hints=understood.hints)
    with _timed(timings, "fuse"):
        fused = legs.ranked(query, len(legs.lexical) + len(legs.dense), asked.mode, index.dense_weight)
    with _timed(timings, "passages"):
        looked_at = _looked_at(legs, fused, max(READ, 2 * asked.k + SPARE))
        passages = list(_with_rows(index, looked_at, asked.mode))
    candidates = _candidates(query, legs, fused, passages, final, (asked.mode, index.dense_weight))
    counts = {"chunks": len(index), "lexical": len(legs.lexical), "dense": len(legs.dense), "fused": len(fused)}
    counts |= {"boosted": len(legs.gains), "returned": len(final)}
    return Explained(
        asked, understood, candidates, counts, {**legs.timings, **timings}, index.generation, type(index).__name__
    )


def _looked_at(legs: Legs, fused: Sequence[Scored], n: int) -> list[Scored]:
    """Return the best of both legs and the best n of the fusion, each once, in the order of the fusion."""
    wanted = {row for several in (legs.lexical[:SHOWN], legs.dense[:SHOWN], fused[:n]) for row, _ in several}
    return [item for item in fused if item[0] in wanted]


def _with_rows(index: Explainable, ranked: Sequence[Scored], mode: str) -> Iterator[tuple[int, Passage]]:
    """Yield row and passage; the index leaves out rows that are gone, so that each is asked for by its score."""
    found = index.passages(ranked, mode)
    if len(found) == len(ranked):
        yield from zip((row for row, _ in ranked), found, strict=True)
        return
    for item in ranked:
        yield from ((item[0], passage) for passage in index.passages([item], mode))


def _candidates(
    query: str,
    legs: Legs,
    fused: Sequence[Scored],
    passages: Sequence[tuple[int, Passage]],
    final: Sequence[Passage],
    how: tuple[str, float | None],
) -> tuple[Candidate, ...]:
    mode, dense_weight = how
    parts = shares(query, legs.lexical, legs.dense, dense_weight=dense_weight) if mode == "hybrid" else {}
    left = 1.0 - legs.at_stake
    places = [_hits(several) for several in (legs.lexical, legs.dense, fused)]
    returned = {(passage.chunk.id, passage.chunk.kind): passage for passage in final}
    found: list[Candidate] = []
    for row, passage in passages:
        words, meaning = parts.get(row, (0.0, 0.0))
        last = returned.get((passage.chunk.id, passage.chunk.kind))
        lexical, dense, both = (hits.get(row) for hits in places)
        if both is None or not (last or any(hit and hit.rank <= SHOWN for hit in (lexical, dense, both))):
            continue
        found.append(
            Candidate(
                passage,
                lexical,
                dense,
                both,
                left * words,
                left * meaning,
                legs.gains.get(row, 0.0),
                Hit(last.rank, last.score) if last else None,
                is_set_back(passage.metadata, query),
            )
        )
    return tuple(sorted(found, key=lambda c: (c.final is None, c.final.rank if c.final else c.fused.rank)))


def _hits(ranked: Sequence[Scored]) -> dict[int, Hit]:
    return {row: Hit(rank, score) for rank, (row, score) in enumerate(ranked, start=1)}


def matches(text: str, understood: Understood) -> list[tuple[int, int]]:
    """Return the spans of a text that share a term with the query or its expansions, in order, none overlapping."""
    wanted = " ".join([understood.text, *(words for words, _ in understood.expansions)])
    latin, han = set(latin_terms(wanted)), set(han_terms(wanted))
    spans = [m.span() for m in _LATIN.finditer(text) if latin & set(latin_terms(m.group()))]
    for term in han:
        spans += [(m.start(), m.end()) for m in re.finditer(re.escape(term), text)] if len(term) > 1 else []
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[step] = time.perf_counter() - started
