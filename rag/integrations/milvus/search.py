"""Both legs of a collection on Milvus, and the passages of what they found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import numpy as np

from rag.errors import UserError
from rag.integrations.milvus.kept import Kept
from rag.integrations.milvus.ledger import Ledger
from rag.integrations.milvus.rows import CHUNK_FIELDS, State, chunk_of, pk_of, row_number
from rag.integrations.milvus.server import BATCH, MOST_FOUND, Server
from rag.integrations.milvus.where import among, expression
from rag.language import han_query_terms, has_han, latin_terms
from rag.legs import Legs, Scored
from rag.schema import Hints, Passage, Where

_MOST_TERMS: Final = 1024
_MOST_EXPANSIONS: Final = 16
"""Of several words; each is a search of its own."""
_SHALLOW: Final = 100
"""Candidates a leg on Lite, which reads the whole row of each, vector and all: some 50 microseconds."""
_GRAIN: Final = 20
"""A word that weighs 1 stands so often in a query whose words differ in weight, but in all at most:"""
_MOST_REPEATED: Final = 4096


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
        self.kept = Kept(ledger)
        self._chunks = chunks

    def depth(self, k: int, fetch_k: int) -> int:
        """Return how many candidates to ask each leg for: on Lite fewer, both legs tell of each of them instead."""
        return max(k, min(fetch_k, max(2 * k, _SHALLOW))) if self._server.lite else max(k, fetch_k)

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

        What boosts favour most is searched once more by itself, so that it is among the candidates. An expansion of
        several words is a search of its own whose scores, times its weight, are added. On Lite what only one of two
        legs has met is looked up in the other, so that few candidates fuse as many do.

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
        if self._server.lite and vector is not None and query.strip():
            with _timed(timings, "lexical"):
                if alone := dense.keys() - lexical.keys() if len(lexical) >= fetch_k else set():
                    lexical |= self._words(query, hints, len(alone), f"{seen} and {_these(alone)}")
            with _timed(timings, "dense"):
                if alone := lexical.keys() - dense.keys():
                    dense |= self._search("meaning", vector.tolist(), len(alone), f"{seen} and {_these(alone)}")
        with _timed(timings, "filter"):
            gains = self._gains(seen, hints, lexical.keys() | dense.keys())
        return Legs(_ranked(lexical), _ranked(dense), timings, gains, max(gains.values(), default=0.0))

    def passages(self, state: State, ranked: Sequence[Scored], retriever: str) -> list[Passage]:
        """Return the passages of (row, score), in that order; rows that are gone are left out."""
        rows = {row["pk"]: row for row in self._server.get(self._chunks, [pk_of(n) for n, _ in ranked], CHUNK_FIELDS)}
        told = self.kept.told({row["doc"] for row in rows.values()}, state)
        found: list[Passage] = []
        for number, score in ranked:
            row = rows.get(pk_of(number))
            if row is None or row["doc"] not in told:
                continue
            doc, chunk = told[row["doc"]], chunk_of(row)
            metadata = {**doc.head.metadata, **chunk.metadata, **doc.mark}
            found.append(Passage(chunk, score, len(found) + 1, retriever, doc.source, doc.head.title, metadata))
        return found

    def _words(self, query: str, hints: Hints, k: int, condition: str) -> dict[int, float]:
        words, several = _weights(query), list[tuple[dict[str, float], float]]()
        for text, weight in sorted(hints.expansions, key=lambda item: -item[1]):
            more = _weights(text)
            if len(more) > 1:
                several.append((more, weight))
            for word, share in more.items() if len(more) == 1 else ():
                words[word] = words.get(word, 0.0) + weight * share
        found = self._bm25(words, k, condition)
        for more, weight in several[:_MOST_EXPANSIONS]:
            for row, score in self._bm25(more, k, f"{condition} and {self._all_met(more)}").items():
                found[row] = found.get(row, 0.0) + weight * score
        return found

    def _bm25(self, weights: dict[str, float], k: int, condition: str) -> dict[int, float]:
        """Search words that weigh differently: BM25 of Milvus adds a word as often as it stands in the query."""
        if not weights:
            return {}
        grain = 1
        if set(weights.values()) != {1.0}:
            grain = max(1, min(_GRAIN, int(_MOST_REPEATED / sum(weights.values()))))
        words = (word for word, weight in weights.items() for _ in range(max(1, round(weight * grain))))
        return {row: score / grain for row, score in self._search("words", " ".join(words), k, condition).items()}

    def _all_met(self, words: Iterable[str]) -> str:
        """Return the expression for rows with all the words. Lite has no index for `text_match` and cuts every text."""
        words = list(words)
        pairs = {char for word in words if len(word) == 2 and has_han(word) for char in word}  # hold their characters
        met = '{} like "% {} %"' if self._server.lite else 'text_match({}, "{}")'
        return " and ".join(met.format("terms", word) for word in words if word not in pairs)

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


def _weights(text: str) -> dict[str, float]:
    """Return the different terms of a text and what each weighs, as in the lexical leg of a folder."""
    weights = dict.fromkeys(latin_terms(text), 1.0) | (han_query_terms(text) if has_han(text) else {})
    return dict(islice(weights.items(), _MOST_TERMS))


def _these(rows: Iterable[int]) -> str:
    return among("pk", sorted(map(pk_of, rows)))


def _ranked(scores: dict[int, float]) -> list[Scored]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[step] = timings.get(step, 0.0) + time.perf_counter() - started
