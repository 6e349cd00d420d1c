"""Two rankings of one query, lexical and dense, made into one: a weighted sum of min-max normalised scores.

    fused(row) = (1 - w) * lexical'(row) + w * dense'(row),   s' = (s - low) / (high - low) within a leg, 0 where absent

The share `w` of the dense leg follows the language of the query, since the shipped embedder reads English. The formula
is the convex combination of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rag.language import Language, detect_language

DENSE_WEIGHT: Mapping[Language, float] = {"en": 0.5, "zh": 0.2}
"""Share of the dense leg by language of the query, for the shipped embedder."""

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
    matters. Fused scores compare rows of one query; they say nothing across queries: the best row of a leg has 1 in
    that leg however poor it is.

    Args:
        query: the search string; only its language is looked at.
        lexical: (row, score) as BM25 gives them, larger is better.
        dense: (row, score) as cosine gives them, larger is better.
        k: how many rows to return; less than 1 gives none.
        dense_weight: share of the dense leg in [0, 1]; None: by the language of the query (`DENSE_WEIGHT`).

    Raises:
        ValueError: `dense_weight` is outside [0, 1].
    """
    weight = DENSE_WEIGHT[detect_language(query)] if dense_weight is None else dense_weight
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"dense_weight must be in [0, 1], got {weight}")
    words, meaning = _normalised(lexical), _normalised(dense)
    if not words or not meaning:
        weight = 1.0 if meaning else 0.0
    fused = {
        row: (1.0 - weight) * words.get(row, 0.0) + weight * meaning.get(row, 0.0)
        for row in words.keys() | meaning.keys()
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))[: max(0, k)]


def _normalised(leg: Iterable[Scored]) -> dict[int, float]:
    """Return the best score of each row, stretched to [0, 1]; all 1 where the scores do not differ."""
    best: dict[int, float] = {}
    for row, score in leg:
        if math.isfinite(score):
            best[row] = max(score, best.get(row, -math.inf))
    if not best:
        return {}
    low, high = min(best.values()), max(best.values())
    if high == low:
        return dict.fromkeys(best, 1.0)
    return {row: (score - low) / (high - low) for row, score in best.items()}
