"""Conditions on a comparison, for a gate: "rougeL<-0.01" fails a run whose ROUGE-L fell by more than 0.01."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.errors import UserError

_CONDITION = re.compile(
    r"\s*(?P<metric>[^\s<>=]+?)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
    r"(?:\s*@\s*(?P<level>0?\.\d+))?\s*",
    re.IGNORECASE,
)


def failures(comparison: Mapping[str, Any], conditions: Sequence[str]) -> list[str]:
    """Return words for every condition that holds, such as "rougeL<-0.01": METRIC, one of < <= > >=, NUMBER.

    A condition speaks of the difference B - A. "rougeL<-0.01@0.05" holds only where p_holm is below 0.05 as well. A
    metric without a value in one of the runs counts as a failure: what cannot be judged does not pass.

    Raises:
        UserError: a condition is not in that form, or names a metric the runs do not share, or asks for the p of a
            figure that has none.
    """
    return [told for condition in conditions if (told := _failure(comparison["metrics"], condition))]


def _failure(metrics: Mapping[str, Mapping[str, Any]], condition: str) -> str | None:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise UserError(
            f"{condition!r} is no condition. Write METRIC, one of < <= > >=, and a number for the difference B - A, "
            "such as 'rougeL<-0.01'; with '@0.05' behind it, it holds only where Holm's p is below 0.05."
        )
    name, sign, bound, level = match["metric"], match["sign"], float(match["bound"]), match["level"]
    if name not in metrics:
        raise UserError(f"{condition!r}: these runs share no metric {name!r}. They share: {', '.join(metrics)}.")
    row = metrics[name]
    if row["difference"] is None:
        return f"{condition}: {name} has no value in one of the runs, so that the condition cannot be judged"
    gap = round(row["difference"], 12)
    holds = {"<": gap < bound, "<=": gap <= bound, ">": gap > bound, ">=": gap >= bound}[sign]
    if level is None:
        return f"{condition}: the difference of {name} is {gap:+.4f}" if holds else None
    if row["p_holm"] is None:
        raise UserError(f"{condition!r}: {name} is a figure of the whole set and has no p. Leave out '@{level}'.")
    significant = row["p_holm"] < float(level)
    told = f"{condition}: the difference of {name} is {gap:+.4f} (Holm's p {row['p_holm']:.4f})"
    return told if holds and significant else None
