"""Two rankings of one query, lexical and dense, made into one by what their scores say, not by their ranks alone.

    fused(row) = (1 - w) * lexical'(row) + w * dense'(row)
    lexical'   = BM25 / max(best BM25, 14 * sqrt(n)),   n terms in the query,   0 where the row is not in the leg
    dense'     = cosine squared (0 below 0);   that of the leg's last row where the row is not in the leg

It is a convex combination (Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023) without
stretching each leg to [0, 1], so that a leg that cannot tell rows apart has little say: cosines that are low or close
together, hits that share few words with the query. Over 47,000 English documents the best hit of a query of n terms
scores about 10 * sqrt(n); at 14 * sqrt(n) the words have full weight. Most chatty questions stay well below. Chinese
terms, parts of words, count with their weights (`rag.language.query_weight`).

The constants were measured with the shipped embedder and with 1,000 candidates a leg (with 100
nDCG@10 falls by about 0.01). Another embedder wants another `dense_weight`: the more, the closer together its cosines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rag.language import Language, detect_language, query_weight

DENSE_WEIGHT: Final[Mapping[Language, float]] = {"en": 0.55, "zh": 0.25}
"""Share of the dense leg, by language of the query."""

FULL_SCORE: Final = 14.0
"""BM25 of a hit that has full weight, for a query of one term; grows with the square root of the terms."""

Scored = tuple[int, float]


def fuse(
    query: str,
    lexical: Sequence[Scored],
    dense: Sequence[Scored],
    *,
    k: int,
    dense_weight: float | None = None,
) -> list[Scored]:
    """Return at most k rows, best first, with fused scores in [0, 1].

    A row found twice by a leg counts with its best score; a score that is not a finite number is not a hit. Where one
    leg found nothing the other one decides alone. Equal scores are ordered by row, so the order of the input never
    matters. Fused scores compare rows of one query; across queries they are a hint at best.

    Args:
        query: the search string; its language and how many different terms it has are looked at.
        lexical: (row, BM25 score).
        dense: (row, cosine). Products greater than 1, of vectors that are not of unit length, are scaled down to 1.
        k: how many rows to return; less than 1 gives none.
        dense_weight: share of the dense leg in [0, 1]; None: by the language of the query (`DENSE_WEIGHT`).

    Raises:
        ValueError: `dense_weight` is outside [0, 1].
    """
    parts = shares(query, lexical, dense, dense_weight=dense_weight)
    fused = [(row, round(words + meaning, 9)) for row, (words, meaning) in parts.items()]
    return sorted(fused, key=lambda item: (-item[1], item[0]))[: max(0, k)]


def shares(
    query: str, lexical: Sequence[Scored], dense: Sequence[Scored], *, dense_weight: float | None = None
) -> dict[int, tuple[float, float]]:
    """Return what each leg gives to the fused score of each row: (by words, by meaning); arguments as for `fuse`.

    Raises:
        ValueError: `dense_weight` is outside [0, 1].
    """
    weight = DENSE_WEIGHT[detect_language(query)] if dense_weight is None else dense_weight
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"dense_weight must be in [0, 1], got {weight}")
    words = _scaled(lexical, FULL_SCORE * math.sqrt(max(1.0, query_weight(query))))
    meaning = {row: cosine * cosine for row, cosine in _scaled(dense, 1.0).items()}
    if not words or not meaning:
        weight = 1.0 if meaning else 0.0
    lowest = min(meaning.values(), default=0.0)
    return {
        row: ((1.0 - weight) * words.get(row, 0.0), weight * meaning.get(row, lowest))
        for row in words.keys() | meaning.keys()
    }


def _scaled(leg: Iterable[Scored], full: float) -> dict[int, float]:
    """Return the best score of each row over `full`, or over the best of all where that is greater: from 0 to 1."""
    best: dict[int, float] = {}
    for row, score in leg:
        if math.isfinite(score):
            best[row] = max(score, best.get(row, 0.0))
    top = max(best.values(), default=0.0)
    return {row: score / max(top, full) for row, score in best.items()}
