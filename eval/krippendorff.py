"""Krippendorff's alpha: do people who judged the same things agree more than chance would make them?

After K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): from counts of values by unit to the
coincidence matrix, to observed over expected disagreement. 1 is perfect agreement, 0 what chance gives, below 0 people
disagree on purpose. Votes may be missing; a unit with fewer than two votes says nothing about agreement. The interval
draws units anew (Zapf et al., BMC Medical Research Methodology 16:93, 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import RESAMPLES, Rows, statistic

Level = Literal["nominal", "ordinal"]
Floats = NDArray[np.float64]


def alpha(
    counts: Sequence[Sequence[int]], level: Level, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return {"value", "low", "high", "n"}: alpha, its 95 % interval, and the units with two votes or more.

    The value is None where there is no such unit, and where all their votes are alike: then nothing could differ.

    Args:
        counts: votes by unit (rows) and value (columns); for the level "ordinal" the columns stand in order.
        level: "nominal": two values are the same or not; "ordinal": farther apart in rank is worse.
        seed: of the draws.
        resamples: number of draws.
    """
    table = np.array([row for row in counts if sum(row) >= 2], dtype=np.float64)
    if not len(table):
        return {"value": None, "low": None, "high": None, "n": 0}
    units = _coincidences(table)

    def measure(rows: Rows) -> float | None:
        return _from_coincidences(units[rows].sum(axis=0), level)

    return statistic(measure, len(units), seed=seed, resamples=resamples)


def _coincidences(table: Floats) -> Floats:
    """Return the coincidence matrix of each unit, shape (units, values, values): ordered pairs / (votes - 1)."""
    pairs = table[:, :, None] * table[:, None, :]
    same = np.eye(table.shape[1])[None] * table[:, :, None]
    return np.asarray((pairs - same) / (table.sum(axis=1) - 1)[:, None, None])


def _from_coincidences(seen: Floats, level: Level) -> float | None:
    """Return 1 - observed / expected disagreement; None where nothing could disagree."""
    totals = seen.sum(axis=1)
    everything = float(totals.sum())
    distance = _distance(totals, level)
    expected = float((np.outer(totals, totals) * distance).sum())
    if expected == 0:
        return None
    return 1 - float((seen * distance).sum()) * (everything - 1) / expected


def _distance(totals: Floats, level: Level) -> Floats:
    """Return the squared difference of every two values, given how often each occurs."""
    if level == "nominal":
        return 1 - np.eye(len(totals))
    upto = np.cumsum(totals)
    middle = upto - totals / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2)
