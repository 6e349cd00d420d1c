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
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

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
    rows, words, meaning = _columns(query, lexical, dense, dense_weight)
    total, k = words + meaning, min(max(0, k), len(rows))
    near: Sequence[int] = range(len(rows))
    if 0 < k < len(rows):  # rounding moves no score by more than half of 1e-9
        near = np.flatnonzero(total >= np.partition(total, -k)[-k] - 2e-9).tolist()
    fused = [(rows[i], round(float(total[i]), 9)) for i in near]
    return sorted(fused, key=lambda item: (-item[1], item[0]))[:k]


def shares(
    query: str, lexical: Sequence[Scored], dense: Sequence[Scored], *, dense_weight: float | None = None
) -> dict[int, tuple[float, float]]:
    """Return what each leg gives to the fused score of each row: (by words, by meaning); arguments as for `fuse`.

    Raises:
        ValueError: `dense_weight` is outside [0, 1].
    """
    rows, words, meaning = _columns(query, lexical, dense, dense_weight)
    return dict(zip(rows, zip(words.tolist(), meaning.tolist(), strict=True), strict=True))


def _columns(
    query: str, lexical: Sequence[Scored], dense: Sequence[Scored], dense_weight: float | None
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the different rows and what each leg gives to them."""
    weight = DENSE_WEIGHT[detect_language(query)] if dense_weight is None else dense_weight
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"dense_weight must be in [0, 1], got {weight}")
    places: dict[int, int] = {}
    for row, score in (*lexical, *dense):
        if math.isfinite(score):
            places.setdefault(row, len(places))
    said, words = _scaled(lexical, places, FULL_SCORE * math.sqrt(max(1.0, query_weight(query))))
    meant, cosines = _scaled(dense, places, 1.0)
    if not said.any() or not meant.any():
        weight = 1.0 if meant.any() else 0.0
    squares = cosines * cosines
    squares[~meant] = squares[meant].min(initial=1.0) if meant.any() else 0.0
    return list(places), (1.0 - weight) * words, weight * squares


def _scaled(leg: Sequence[Scored], places: Mapping[int, int], full: float) -> tuple[np.ndarray, np.ndarray]:
    """Return by place whether the leg has it, and its best score over `full`, or over the best of all where greater."""
    at = np.fromiter((places.get(row, -1) for row, _ in leg), dtype=np.int64, count=len(leg))
    scores = np.fromiter((score for _, score in leg), dtype=np.float64, count=len(leg))
    finite = np.isfinite(scores)
    best, has = np.zeros(len(places)), np.zeros(len(places), dtype=np.bool_)
    np.maximum.at(best, at[finite], scores[finite])
    has[at[finite]] = True
    return has, best / max(float(best.max(initial=0.0)), full)
