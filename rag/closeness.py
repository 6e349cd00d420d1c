"""How close together the words of a Chinese query stand in a passage: tells the paragraph from the page full of words.

    closeness = the most of the query's weight that stands within 120 characters, over its whole weight
    weight of a term = that of `han_query_terms` * ln(1 + (passages + 1) / (passages that hold it + 0.5))

Rarity is counted among the passages at hand, which need no statistics of the collection: what all candidates hold
tells them apart no more. Order inside the window is not looked at, nor is negation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from rag.language import fold_han, han_query_terms, latin_terms
from rag.schema import Passage

READ: Final = 50
"""So many passages are looked at."""
SHARE: Final = 0.4
"""Weight of closeness beside the fused score; see docs/decisions.md."""
SPAN: Final = 120
_MOST_PLACES: Final = 60
"""Places of one term in one passage that are looked at."""


def closer(query: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages, the first `READ` of them in a new order, ranks 1..n, scores in [0, 1] where they were.

    Args:
        query: the search string.
        passages: best first, scores not negative.
    """
    texts = [fold_han(passage.chunk.indexed_text).lower() for passage in passages[:READ]]
    weights = {**dict.fromkeys(latin_terms(query), 1.0), **han_query_terms(query)}
    places = [_places(text, weights) for text in texts]
    held = Counter(term for found in places for term in {term for _, term in found})
    rare = {term: weights[term] * math.log(1 + (len(texts) + 1) / (times + 0.5)) for term, times in held.items()}
    whole = sum(rare.values())
    if not whole:
        return list(passages)
    return moved_up(passages, [_window(found, rare) / whole for found in places], SHARE)


def moved_up(passages: Sequence[Passage], near: Sequence[float], weight: float) -> list[Passage]:
    """Return the passages with what `near` says of the first ones, in [0, 1], weighed beside their scores.

    Those that `near` speaks of are put in a new order, the others stay behind them; scores in [0, 1] stay there.
    """
    told = [*near, *[0.0] * (len(passages) - len(near))]
    weighed = zip(passages, told, strict=True)
    scored = [replace(p, score=round((p.score + weight * share) / (1 + weight), 9)) for p, share in weighed]
    first = sorted(scored[: len(near)], key=lambda passage: -passage.score)
    return [replace(passage, rank=rank) for rank, passage in enumerate([*first, *scored[len(near) :]], start=1)]


def _places(text: str, terms: Mapping[str, float]) -> list[tuple[int, str]]:
    """Return where the terms stand, in order."""
    found: list[tuple[int, str]] = []
    for term in terms:
        at = text.find(term)
        for _ in range(_MOST_PLACES):
            if at < 0:
                break
            found.append((at, term))
            at = text.find(term, at + 1)
    return sorted(found)


def _window(places: Sequence[tuple[int, str]], weights: Mapping[str, float]) -> float:
    """Return the greatest weight of different terms within `SPAN` characters."""
    inside: Counter[str] = Counter()
    best = weight = 0.0
    first = 0
    for at, term in places:
        if not inside[term]:
            weight += weights[term]
        inside[term] += 1
        while places[first][0] < at - SPAN:
            gone = places[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                weight -= weights[gone]
            first += 1
        best = max(best, weight)
    return best
