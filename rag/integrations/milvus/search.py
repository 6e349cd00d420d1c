"""Both legs of a collection on Milvus, and the passages of what they found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from rag.errors import UserError
from rag.integrations.milvus.ledger import Ledger
from rag.integrations.milvus.rows import CHUNK_FIELDS, State, chunk_of, pk_of, row_number
from rag.integrations.milvus.server import BATCH, MOST_FOUND, Server
from rag.integrations.milvus.where import among, expression, quoted
from rag.language import terms
from rag.legs import Legs, Scored
from rag.schema import Hints, Passage, Where

_MOST_TERMS: Final = 1024
_MOST_EXPANSIONS: Final = 16
"""Each is a search of its own."""


class Finder:
    """Searches the chunks of one collection.

    Args:
        server: where they are.
        ledger: what of them is to be seen.
        chunks: the name Milvus knows them by.
    """

    def __init__(self, server: Server, ledger: Ledger, chunks: str) -> None:
        self._server = server
        self._ledger = ledger
        self._chunks = chunks

    def legs(
        self,
        state: State,
        query: str,
        vector: np.ndarray | None,
        fetch_k: int,
        *,
        where: Where | None = None,
        hints: Hints | None = None,
    ) -> Legs:
        """Return the candidates of each leg. A blank query leaves the lexical leg empty, no vector the dense one.

        What boosts favour most is searched once more by itself, so that it is among the candidates. Each expansion is
        a search of its own whose scores, times its weight, are added: Milvus' BM25 knows no weights.

        Raises:
            UserError: `fetch_k` is less than 1, or `where` cannot be looked up.
        """
        if fetch_k < 1:
            raise UserError(f"k must be at least 1, got {fetch_k}. It says how many passages to return.")
        hints, timings = hints or Hints(), dict[str, float]()
        with _timed(timings, "filter"):
            seen = self._ledger.seen(state)
            allowed = self._narrowed(seen, where)
            most = max((share for _, share in hints.boosts), default=0.0)
            several = [allowed, *(self._narrowed(allowed, w) for w, share in hints.boosts if share > most / 2)]
        lexical: dict[int, float] = {}
        dense: dict[int, float] = {}
        for condition in several:
            with _timed(timings, "lexical"):
                lexical |= self._words(query, hints, fetch_k, condition)
            if vector is not None:
                with _timed(timings, "dense"):
                    dense |= self._search("meaning", vector.tolist(), fetch_k, condition)
        with _timed(timings, "filter"):
            gains = self._gains(seen, hints, lexical.keys() | dense.keys())
        return Legs(_ranked(lexical), _ranked(dense), timings, gains, max(gains.values(), default=0.0))

    def passages(self, ranked: Sequence[Scored], retriever: str) -> list[Passage]:
        """Return the passages of (row, score), in that order; rows that are gone are left out."""
        rows = {row["pk"]: row for row in self._server.get(self._chunks, [pk_of(n) for n, _ in ranked], CHUNK_FIELDS)}
        docs = {row["doc"] for row in rows.values()}
        heads, holders = self._ledger.heads(docs), self._ledger.holders(docs)
        newer = self._ledger.newer(heads)
        found: list[Passage] = []
        for number, score in ranked:
            row = rows.get(pk_of(number))
            if row is None or row["doc"] not in heads or not holders[row["doc"]]:
                continue
            doc, chunk = row["doc"], chunk_of(row)
            mark = newer[doc].mark if doc in newer else {}
            metadata = {**heads[doc].metadata, **chunk.metadata, **mark}
            source, title = holders[doc][0].source, heads[doc].title
            found.append(Passage(chunk, score, len(found) + 1, retriever, source, title, metadata))
        return found

    def _words(self, query: str, hints: Hints, k: int, condition: str) -> dict[int, float]:
        words = _distinct(query)
        found = self._search("words", " ".join(words), k, condition) if words else {}
        weighed = sorted(hints.expansions, key=lambda item: -item[1])[:_MOST_EXPANSIONS]
        for text, weight in weighed:
            more = _distinct(text)
            if more:
                met = " and ".join(f"text_match(terms, {quoted(word)})" for word in more)
                for row, score in self._search("words", " ".join(more), k, f"{condition} and {met}").items():
                    found[row] = found.get(row, 0.0) + weight * score
        return found

    def _search(self, field: str, data: Any, k: int, condition: str) -> dict[int, float]:
        """Return the scores of one leg by row; Lite gives BM25 with a minus."""
        limit = min(k, MOST_FOUND)
        asked = {"data": [data], "anns_field": field, "limit": limit, "filter": condition, "output_fields": ["pk"]}
        hits = self._server.call("search", self._chunks, **asked)[0]
        sign = abs if field == "words" else float
        return {row_number(hit["pk"]): float(sign(hit["distance"])) for hit in hits}

    def _gains(self, seen: str, hints: Hints, rows: Iterable[int]) -> dict[int, float]:
        """Return the boosts of candidates, summed."""
        gains: dict[int, float] = {}
        keys = [pk_of(row) for row in rows] if hints.boosts else []
        for start in range(0, len(keys), BATCH):
            among_them = f"{seen} and {among('pk', keys[start : start + BATCH])}"
            for where, share in hints.boosts:
                for row in self._server.query(self._chunks, self._narrowed(among_them, where), ["pk"]):
                    number = row_number(row["pk"])
                    gains[number] = gains.get(number, 0.0) + share
        return gains

    def _narrowed(self, condition: str, where: Where | None) -> str:
        wanted = expression(where, self._ledger.docs_of) if where else ""
        return f"{condition} and {wanted}" if wanted else condition


def _distinct(text: str) -> list[str]:
    return list(dict.fromkeys(terms(text)))[:_MOST_TERMS]


def _ranked(scores: dict[int, float]) -> list[Scored]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[step] = timings.get(step, 0.0) + time.perf_counter() - started
