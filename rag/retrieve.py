"""A query to passages: check it, understand it, ask the index, read again with a reranker where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol, runtime_checkable

from rag.closeness import READ, closer
from rag.errors import UserError
from rag.language import detect_language
from rag.pairs import side_by_side
from rag.schema import Hints, Passage, Reranker, Retriever, Where
from rag.understand import Understanding, Understood
from rag.versions import KEPT_BY, is_set_back, lowered

Mode = Literal["hybrid", "lexical", "dense"]

MAX_QUERY_CHARS = 2000
"""A longer query is cut here, or at the space before: past what the shipped embedder reads (256 tokens)."""
LONGEST_WORD = 100
SPARE = 20
"""How many more passages are looked at, beside twice as many, where some are of superseded documents."""


@runtime_checkable
class TwoLegged(Protocol):
    """An index that lets the caller choose which legs search and how many candidates each hands to the fusion."""

    def legs(
        self, query: str, *, fetch_k: int, where: Where | None = None, mode: Mode = "hybrid", hints: Hints | None = None
    ) -> object:
        """Return the candidates of each leg before fusion."""

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
        """Return at most k passages, best first."""


@runtime_checkable
class Filed(Protocol):
    """An index that knows whose documents it holds."""

    def named(self) -> tuple[tuple[str, str], ...]:
        """Return the different (organisation, ticker) pairs of the documents."""


class Search:
    """The way from a query to passages; itself a `Retriever`. It keeps no state between calls.

    Args:
        index: where to look.
        reranker: orders the candidates anew; None leaves the order of the index.
        fetch_k: candidates each leg hands to the fusion.
        rerank_k: how many passages the reranker reads, k at least.
        mode: which legs search. An index without legs knows only "hybrid": whatever it does by itself.
        understanding: reads queries for "hybrid"; None takes them as they are.
        closeness: whether the first 50 of "hybrid" are ordered by how close the query's words stand in them, too.

    Raises:
        UserError: `fetch_k` or `rerank_k` is less than 1, or `mode` asks for a leg of an index that has none.
    """

    def __init__(
        self,
        index: Retriever,
        *,
        reranker: Reranker | None = None,
        fetch_k: int = 1000,
        rerank_k: int = 100,
        mode: Mode = "hybrid",
        understanding: Understanding | None = None,
        closeness: bool = True,
    ) -> None:
        for name, value in (("fetch_k", fetch_k), ("rerank_k", rerank_k)):
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}. Leave it out for the default.")
        if mode != "hybrid" and not isinstance(index, TwoLegged):
            raise UserError(f"{type(index).__name__} has no legs to choose from, got mode {mode!r}. Use 'hybrid'.")
        self._index = index
        self._reranker = reranker
        self._fetch_k = fetch_k
        self._rerank_k = rerank_k
        self._mode: Mode = mode
        self._understanding = understanding
        self._closeness = closeness

    def retrieve(self, query: str, k: int, *, where: Where | None = None) -> list[Passage]:
        """Return at most k passages, best first, ranks 1..n; none where nothing is found.

        A query of stop words or signs alone has no index terms: then the dense leg decides, by meaning. Passages of
        superseded documents are set back (see `rag.versions`).

        Raises:
            UserError: the query is empty or k is less than 1.
        """
        query = clean_query(query)
        if k < 1:
            raise UserError(f"k must be at least 1, got {k}. It says how many passages to return.")
        found = self._ask(query, k if self._reranker is None else max(k, self._rerank_k), where)
        older = not KEPT_BY & set(where or ()) and any(is_set_back(passage.metadata, query) for passage in found)
        if not older:
            return self._reranker.rerank(query, found, k) if self._reranker and found else found
        if self._reranker:
            return set_back(self._reranker.rerank(query, found, len(found)), query)[:k]
        return set_back(self._ask(query, 2 * k + SPARE, where), query)[:k]  # what was behind them moves up

    def understand(self, query: str) -> Understood:
        """Return what is understood of a query; nothing but its language where nobody reads it, or one leg searches."""
        if self._understanding is None or self._mode != "hybrid" or not isinstance(self._index, TwoLegged):
            return Understood(query, detect_language(query))
        named = self._index.named() if isinstance(self._index, Filed) else ()
        return self._understanding.understand(query, named)

    def _ask(self, query: str, n: int, where: Where | None) -> list[Passage]:
        if isinstance(self._index, TwoLegged):
            depth, understood = max(n, self._fetch_k), self.understand(query)
            near = self._closeness and self._mode == "hybrid"
            wanted = max(n, READ) if near else n
            found = self._index.retrieve(
                query, wanted, where=where, mode=self._mode, fetch_k=depth, hints=understood.hints
            )
            if not near:
                return found
            ordered = closer(query, found) if understood.language == "zh" else side_by_side(query, found)
            return ordered[:n]
        return self._index.retrieve(query, n, where=where)


def set_back(passages: Sequence[Passage], query: str) -> list[Passage]:
    """Return the passages in a new order: those of superseded documents with lowered scores, unless asked for."""
    scored = [replace(p, score=lowered(p.score)) if is_set_back(p.metadata, query) else p for p in passages]
    scored.sort(key=lambda passage: -passage.score)
    return [replace(passage, rank=rank) for rank, passage in enumerate(scored, start=1)]


def clean_query(query: str) -> str:
    """Return the query as the legs get it: stripped, well-formed Unicode, at most `MAX_QUERY_CHARS` characters.

    Raises:
        UserError: nothing is left.
    """
    text = query.encode("utf-8", "ignore").decode("utf-8").replace("\0", " ").strip()
    if not text:
        raise UserError(f"The query is empty, got {query[:40]!r}. Write what you are looking for.")
    if len(text) <= MAX_QUERY_CHARS:
        return text
    gap = text.rfind(" ", MAX_QUERY_CHARS - LONGEST_WORD, MAX_QUERY_CHARS + 1)
    return text[: gap if gap >= 0 else MAX_QUERY_CHARS].rstrip()
