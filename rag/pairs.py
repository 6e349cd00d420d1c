"""Which passages say a query's words side by side: "quick ratio", not a quick look and a ratio.

    share = sum over adjacent pairs of query stems of idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length)) / full
    idf   = ln(1 + (passages + 1) / (passages that hold the pair + 0.5)),     full = 14 * sqrt(different stems)

Rarity is counted among the passages at hand, and length is over their mean, so that no statistics of the collection are
needed: a pair that all candidates hold tells them apart no more. Stop words are passed over: "cost of sales" is a pair.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rag.closeness import READ, moved_up
from rag.fuse import FULL_SCORE
from rag.language import latin_terms
from rag.schema import Passage

SHARE: Final = 0.25
"""Weight beside the fused score; see docs/decisions.md."""


def side_by_side(query: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages, the first `READ` of them in a new order, ranks 1..n, scores in [0, 1] where they were.

    Args:
        query: the search string.
        passages: best first, scores not negative.
    """
    asked = latin_terms(query)
    wanted = set(pairwise(asked))
    stems = [latin_terms(passage.chunk.indexed_text) for passage in passages[:READ]] if wanted else []
    held = [Counter(pair for pair in pairwise(terms) if pair in wanted) for terms in stems]
    times = Counter(pair for found in held for pair in found)
    if not times:
        return list(passages)
    rare = {pair: math.log(1 + (len(stems) + 1) / (number + 0.5)) for pair, number in times.items()}
    mean = sum(map(len, stems)) / len(stems)
    full = FULL_SCORE * math.sqrt(len(set(asked)))
    shares = []
    for terms, found in zip(stems, held, strict=True):
        damped = 1.2 * (0.25 + 0.75 * len(terms) / mean)
        shares.append(min(1.0, sum(rare[pair] * n * 2.2 / (n + damped) for pair, n in found.items()) / full))
    return moved_up(passages, shares, SHARE)
