"""Is a paired difference more than luck? A permutation test, and Holm's correction for looking at several metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FLIPS = 10_000
_EXACT = 13  # pairs whose 8,192 swaps are all tried
_CELLS = 2_000_000  # of one block of random swaps: bounds memory at 16 MB
_SLACK = 1e-12  # differences closer than this are the same: sums in another order differ in the last digits


def permutation_p(
    a: Sequence[float | None], b: Sequence[float | None], *, seed: int = 0, flips: int = FLIPS
) -> float | None:
    """Return the two-sided p of mean(b) - mean(a) under swaps of whole pairs; None where a side has no value.

    If the runs were alike, each pair could as well have come the other way round; with a value on both sides that is
    the sign-flip test (Fisher, 1935). None means that a metric does not apply to that side of the pair: it moves with
    its pair, and each side's mean is taken over what it then holds, so that shares whose denominators differ (such as
    precision) are tested by their own definition. A swap that leaves a side without any value counts as extreme.

    Up to 13 pairs that differ: all swaps, p is exact. More: `flips` random ones, one added to numerator and denominator
    (Phipson and Smyth, 2010), so that p is never 0. Examples are taken as independent of each other.

    Raises:
        ValueError: the columns differ in length, or hold NaN or infinity.
    """
    if len(a) != len(b):
        raise ValueError(f"permutation_p: need columns of one length, got {len(a)} and {len(b)}")
    both = list(zip(a, b, strict=True))
    known = np.array([[side is not None for side in pair] for pair in both], dtype=np.float64).reshape(-1, 2)
    pairs = np.array([[0.0 if side is None else side for side in pair] for pair in both]).reshape(-1, 2)
    if not np.isfinite(pairs).all():
        raise ValueError("permutation_p: scores must be finite numbers, got NaN or infinity")
    if not known.any(axis=0).all():
        return None
    moving = (pairs[:, 0] != pairs[:, 1]) | (known[:, 0] != known[:, 1])
    width = int(moving.sum())
    if not width:
        return 1.0
    gains = np.stack([pairs[moving, 1] - pairs[moving, 0], known[moving, 1] - known[moving, 0]], axis=1)
    totals, counts = pairs.sum(axis=0), known.sum(axis=0)
    observed = abs(totals[1] / counts[1] - totals[0] / counts[0])

    def extreme(swaps: np.ndarray) -> int:
        moved = swaps @ gains
        size_a, size_b = counts[0] + moved[:, 1], counts[1] - moved[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.abs((totals[1] - moved[:, 0]) / size_b - (totals[0] + moved[:, 0]) / size_a)
        return int(((gap >= observed - _SLACK) | (size_a == 0) | (size_b == 0)).sum())

    if width <= _EXACT:
        every = (np.arange(2**width)[:, None] >> np.arange(width)) & 1
        return float(extreme(every.astype(np.float64)) / 2**width)
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // width)
    sizes = [min(step, flips - start) for start in range(0, flips, step)]
    found = sum(extreme(generator.integers(0, 2, (size, width), dtype=np.int8).astype(np.float64)) for size in sizes)
    return (found + 1) / (flips + 1)


def holm(found: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return p values corrected for their number (Holm, 1979): the chance of any false find stays below the level.

    The i-th smallest of m is multiplied by m - i + 1, and none is smaller than the one before it. Holds however the
    metrics depend on each other. None stays None and is not counted.
    """
    known = sorted((p, name) for name, p in found.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(found)
    floor = 0.0
    for rank, (p, name) in enumerate(known):
        floor = max(floor, min(1.0, p * (len(known) - rank)))
        corrected[name] = floor
    return corrected
