"""How sure a figure is: percentile bootstrap intervals and the paired bootstrap of a difference (Efron, 1979).

They say what drawing other examples of the same kind would change; not whether the examples are the right ones, and
with few examples (below about 30) they are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
_CELLS = 4_000_000  # of one block of resamples: bounds memory at 32 MB

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def estimate(values: Sequence[float | None], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return {"value", "low", "high", "n"}: the mean, its 95 % interval and how many examples it rests on.

    None means that the metric does not apply to that example; it is left out. No value at all: all None, n = 0.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not np.isfinite(known).all():
        raise ValueError("estimate: scores must be finite numbers, got NaN or infinity")
    if not known.size:
        return {"value": None, "low": None, "high": None, "n": 0}
    means = _resampled(known[None, :], seed, resamples)[0]
    return {**_around(float(known.mean()), means), "n": int(known.size)}


def estimates(
    table: Mapping[str, Sequence[float | None]], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, dict[str, Any]]:
    """Return `estimate` of every column."""
    return {name: estimate(values, seed=seed, resamples=resamples) for name, values in table.items()}


def difference(
    a: Sequence[float | None], b: Sequence[float | None], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return {"a", "b", "difference", "low", "high", "p", "n"} of two paired columns; the difference is b - a.

    Examples are drawn together, then each side's mean is taken over those of them to which its metric applies: so a
    share whose denominator differs between the runs (such as precision) is compared by its own definition. `p` is
    two-sided: twice the smaller share of resampled differences on one side of zero, with one added to numerator and
    denominator (Davison and Hinkley, 1997); it is never 0. `n`: examples to which the metric applies in either run.

    Raises:
        ValueError: the columns differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"difference: need columns of one length, got {len(a)} and {len(b)}")
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None or y is not None]
    sides = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    none = {"a": None, "b": None, "difference": None, "low": None, "high": None, "p": None, "n": len(pairs)}
    if not len(pairs) or np.isnan(sides).all(axis=1).any():
        return none
    first, second = (float(np.nanmean(side)) for side in sides)
    means = _resampled(sides, seed, resamples)
    gaps = means[1] - means[0]
    gaps = gaps[np.isfinite(gaps)]
    low, high = np.quantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    tail = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (gaps.size + 1))
    found = {"a": first, "b": second, "difference": second - first, "low": float(low), "high": float(high)}
    return {**found, "p": p, "n": len(pairs)}


def statistic(
    measure: Callable[[Rows], float | None],
    n: int,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return {"value", "low", "high", "n"} of a figure of the whole set, such as an area or a correlation.

    Args:
        measure: from the rows drawn (integer array, repetitions included) to the figure; None or NaN where it has none,
            such as an AUROC of one class. Such draws are left out of the interval.
        n: how many examples there are.
        groups: one name an example, drawn together (claims of one document are not independent); None: each alone.
        seed: of the draws.
        resamples: number of draws.

    Raises:
        ValueError: `groups` has another length than n.
    """
    if groups is not None and len(groups) != n:
        raise ValueError(f"statistic: need a group for each of {n} examples, got {len(groups)}")
    whole = measure(np.arange(n)) if n else None
    if whole is None or not np.isfinite(whole):
        return {"value": None, "low": None, "high": None, "n": n}
    members: dict[str, list[int]] = {}
    for row, name in enumerate(groups or map(str, range(n))):
        members.setdefault(name, []).append(row)
    blocks = [np.array(rows, dtype=np.intp) for rows in members.values()]
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = generator.integers(0, len(blocks), size=len(blocks))
        value = measure(drawn if groups is None else np.concatenate([blocks[i] for i in drawn]))
        if value is not None and np.isfinite(value):
            found.append(float(value))
    if not found:
        return {"value": float(whole), "low": None, "high": None, "n": n}
    return {**_around(float(whole), np.array(found)), "n": n}


def _around(value: float, drawn: Floats) -> dict[str, float]:
    """Return a value with its percentile interval, widened to take the value in.

    Drawing again can push a figure to one side (a calibration error only up): its quantiles may then miss the value.
    """
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value)}


def _resampled(rows: Floats, seed: int, resamples: int) -> Floats:
    """Means of shape (rows, resamples) under common draws; NaN cells are left out of a mean, an empty mean is NaN."""
    n = rows.shape[1]
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0)
    weighed = known.astype(np.float64)
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // n)
    blocks = []
    for start in range(0, resamples, step):
        draws = generator.integers(0, n, size=(min(step, resamples - start), n))
        totals = np.stack([row[draws].sum(axis=1) for row in filled])
        counts = np.stack([row[draws].sum(axis=1) for row in weighed])
        blocks.append(np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0))
    return np.concatenate(blocks, axis=1)
