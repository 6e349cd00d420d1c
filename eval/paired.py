"""Two detectors over the same labelled examples: is one better in the figures that belong to the whole set?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.detection import MEASURES, Columns, Floats, Measure, clustered, columns
from eval.stamp import RunOptions


def differences(
    a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]], options: RunOptions
) -> dict[str, dict[str, Any]]:
    """Return {metric: {"a", "b", "difference", "low", "high", "n"}} of two runs over the same examples, b - a.

    Both are drawn together, source by source; an example that failed in either run is left out.

    Args:
        a: rows as `figures` takes them.
        b: rows with the same ids, in any order.
        options: seed and number of resamples.
    """
    other = {row["id"]: row for row in b if not row["error"]}
    rows = [row for row in a if not row["error"] and row["id"] in other]
    none = {"a": None, "b": None, "difference": None, "low": None, "high": None, "n": 0}
    if not rows:
        return dict.fromkeys(MEASURES, none)
    both, ones = (columns(rows), columns([other[row["id"]] for row in rows])), np.ones(len(rows))
    found = {}
    for name, measure in MEASURES.items():

        def gap(pair: tuple[Columns, Columns], weights: Floats, of: Measure = measure) -> float | None:
            first, second = (of(data, weights) for data in pair)
            return None if first is None or second is None else second - first

        one = clustered(gap, both, [str(row["group"]) for row in rows], options)
        sides = {side: measure(data, ones) for side, data in zip("ab", both, strict=True)}
        found[name] = {**sides, "difference": one["value"], "low": one["low"], "high": one["high"], "n": len(rows)}
    return found
