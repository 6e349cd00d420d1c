"""Pairs of query and passage to learn from: read, thinned, and put into batches of one topic.

A batch whose passages are about the same thing gives hard negatives without reading one more passage (TAS-B, Hofstätter
et al. 2021, https://arxiv.org/abs/2104.06967). What is no negative is left out of the loss: a passage with the text of
a positive, or one the untuned model finds nearly as close to the query as its positive (Moreira et al. 2024,
https://arxiv.org/abs/2407.15831).
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from rag.errors import DocumentError

NEARLY: Final = 0.95
"""A passage with more than this share of the positive's cosine may be right, too."""


Known = Mapping[str, frozenset[str]]
"""Texts of all positives by query."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a passage that answers it; `source` names the data set."""

    query: str
    positive: str
    source: str


def read_pairs(
    file: Path, *, per_query: int = 4, most: Mapping[str, int] | None = None, seed: int = 0
) -> tuple[Pair, ...]:
    """Read pairs of JSON lines {"query", "positive", "source"?}, plain or gzipped, in an order drawn by `seed`.

    Args:
        file: where they are.
        per_query: of one query at most so many passages are kept.
        most: of a source at most so many pairs are kept; a source not named is kept whole.
        seed: which ones stay.

    Raises:
        DocumentError: the file is missing, or a line lacks a field.
    """
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        pairs = [Pair(row["query"].strip(), row["positive"].strip(), row.get("source", "")) for row in rows]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise DocumentError(f'{file}: {error!r}. Every line must be an object with "query" and "positive".') from error
    kept: list[Pair] = []
    of_query: Counter[str] = Counter()
    of_source: Counter[str] = Counter()
    for at in np.random.default_rng(seed).permutation(len(pairs)):
        pair = pairs[at]
        if of_query[pair.query] >= per_query or of_source[pair.source] >= (most or {}).get(pair.source, len(pairs)):
            continue
        of_query[pair.query] += 1
        of_source[pair.source] += 1
        kept.append(pair)
    return tuple(kept)


def batches(vectors: np.ndarray, size: int, *, seed: int = 0) -> list[np.ndarray]:
    """Return positions in batches of `size`, of rows that mostly lie together; what is left over is not used.

    Rows are split in two by a random direction between two of them until the parts are small (a random projection
    tree), so that another seed gives other neighbours.

    Args:
        vectors: unit vectors of the queries, shape (n, dimension).
        size: rows of a batch.
        seed: of directions and of the order of the batches.
    """
    chance = np.random.default_rng(seed)
    ordered: list[int] = []
    waiting = [np.arange(len(vectors))]
    while waiting:
        part = waiting.pop()
        if len(part) <= size:
            ordered += chance.permutation(part).tolist()
            continue
        one, other = chance.choice(part, 2, replace=False)
        by = part[np.argsort(vectors[part] @ (vectors[one] - vectors[other]), kind="stable")]
        middle = max(size, len(by) // 2 // size * size)
        waiting += [by[middle:], by[:middle]]
    whole = len(ordered) // size
    found = np.array(ordered[: whole * size], dtype=np.int64).reshape(whole, size)
    return list(found[chance.permutation(whole)])


def negatives(pairs: Sequence[Pair], queries: np.ndarray, passages: np.ndarray, known: Known) -> np.ndarray:
    """Return what may serve as negative, bool (queries, passages): True where passage j is wrong for query i.

    Args:
        pairs: the batch.
        queries: unit vectors of its queries by the untuned model, shape (n, dimension).
        passages: those of its passages, same shape.
        known: the positives of all queries.
    """
    cosine = queries @ passages.T
    wrong: np.ndarray = cosine <= NEARLY * np.diag(cosine)[:, None]
    for i, pair in enumerate(pairs):
        wrong[i] &= [other.positive not in known[pair.query] for other in pairs]
    return wrong


def known_positives(pairs: Iterable[Pair]) -> Known:
    """Return every positive text of every query."""
    found: dict[str, set[str]] = {}
    for pair in pairs:
        found.setdefault(pair.query, set()).add(pair.positive)
    return {query: frozenset(texts) for query, texts in found.items()}
