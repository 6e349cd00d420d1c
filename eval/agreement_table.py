"""The table of the agreement report: put together from its cells, and as Markdown for the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from eval.detection import DEFINITIONS

MAIN = "balanced_accuracy_fitted"
"""The figure sets and verifiers are compared by."""

CELL = (MAIN, "balanced_accuracy", "auroc", "f1", "span_f1", "ece", "verdict_accuracy", "verdict_macro_f1")
_Z = 1.96


def agreement_table(results: Mapping[str, Any]) -> str:
    """Return the report as Markdown tables, three decimals, intervals in brackets."""
    table, parts = results["table"], [f"`{results['command']}` · {results['git']} · {results['date'][:10]}\n"]
    if table["sets"]:
        shown = (MAIN, "balanced_accuracy", "auroc")
        parts.extend(f"{metric}: {DEFINITIONS[metric]}\n\n{_matrix(table, metric)}" for metric in shown)
    heads = ("pearson", "spearman", "pearson_each", "spearman_each")
    for name, target in dict.fromkeys((row["set"], row["target"]) for row in results["correlations"]):
        rows = [row for row in results["correlations"] if (row["set"], row["target"]) == (name, target)]
        lines = [[row["metric"], str(row["n"]), *(_span(row[head]) for head in heads)] for row in rows]
        parts.append(f"{name}, {target}\n\n{_markdown(('metric', 'n', *heads), lines)}")
    for name in dict.fromkeys(row["set"] for row in results["graded"]):
        lines = [[r["metric"], str(r["n"]), _span(r["auroc"])] for r in results["graded"] if r["set"] == name]
        parts.append(f"{name}, correct against incorrect\n\n{_markdown(('metric', 'n', 'auroc'), lines)}")
    return "\n".join(parts)


def _matrix(table: Mapping[str, Any], metric: str) -> str:
    verifiers, lines = table["verifiers"], []
    for name in table["sets"]:
        cells = (_span(table["cells"][name][by][metric]) for by in verifiers)
        lines.append([name, str(table["info"][name]["n"]), *cells])
    if len(lines) > 1:
        lines.append(["mean", "", *(_span(table["means"][by][metric]) for by in verifiers)])
    return _markdown(("set", "n", *verifiers), lines)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


def _span(row: Mapping[str, Any] | float | None) -> str:
    if row is None or isinstance(row, float):
        return "–" if row is None else f"{row:.3f}"
    if row["value"] is None:
        return "–"
    return f"{row['value']:.3f}" + ("" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]")


def table_of(cells: Mapping[str, Mapping[str, Any]], verifiers: Sequence[str]) -> dict[str, Any]:
    """Return sets, verifiers, cells, means over the sets, what a set is, and mean seconds a response.

    Args:
        cells: results of `eval.factuality` by set and verifier.
        verifiers: their names, in order.
    """
    of = {name: {by: {m: c["metrics"][m] for m in CELL} for by, c in row.items()} for name, row in cells.items()}
    info = {name: _info(next(iter(row.values()))) for name, row in cells.items()}
    seconds = {name: {by: c["timings"]["seconds"]["mean"] for by, c in row.items()} for name, row in cells.items()}
    means = {by: {m: _mean([row[by][m] for row in of.values()]) for m in CELL} for by in verifiers}
    table = {"sets": list(cells), "verifiers": list(verifiers), "cells": of, "means": means, "info": info}
    return table | {"seconds": seconds}


def _info(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n": cell["n"],
        "sources": cell["dataset"]["sources"],
        "language": sorted(cell["by_language"]),
        "domain": sorted(cell["by_domain"]),
    }


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean over sets; its interval takes the sets as given and independent, by the normal approximation."""
    known = [row for row in rows if row["value"] is not None and row["low"] is not None]
    if not known:
        return {"value": None, "low": None, "high": None, "n": 0}
    value = sum(row["value"] for row in known) / len(known)
    spread = math.sqrt(sum(((row["high"] - row["low"]) / (2 * _Z)) ** 2 for row in known)) / len(known)
    return {"value": value, "low": value - _Z * spread, "high": value + _Z * spread, "n": len(known)}
