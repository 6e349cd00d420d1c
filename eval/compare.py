"""Two runs over the same examples: is one better, how sure is that, and which examples changed?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.bootstrap import RESAMPLES, difference
from eval.gate import failures
from eval.lines import load_json, objects, shown
from eval.paired import differences
from eval.report import write_report
from eval.significance import FLIPS, holm, permutation_p
from eval.stamp import RunOptions, stamp, write_json, write_lines
from rag.errors import DocumentError, UserError

__all__ = ["compare", "comparison_table", "failures"]

MAIN = {
    "retrieval": ("ndcg@10", "recall@100"),
    "answers": ("rougeL", "token_f1", "numeric_accuracy", "faithfulness", "citation_recall"),
    "factuality": ("accuracy", "span_f1_mean"),
}
"""Metrics of a kind whose largest changes are listed; of another kind, or where a run lacks them: its first metric."""

SHOWN = 10
DEFINITIONS = {
    "difference": "mean of B - mean of A over the examples both runs have; above 0 speaks for B (not so: aurc, risk, "
    "ece, brier)",
    "low, high": "95 % interval of the difference, paired bootstrap",
    "p": "two-sided, paired bootstrap",
    "p_permutation": "two-sided, swaps of whole pairs: all of them up to 13 pairs that differ, else 10,000 at random",
    "p_holm": "p_permutation corrected for the number of metrics (Holm, 1979); this one decides",
    "wins, losses, ties": "examples on which B is better, worse, the same; one_sided: in one run alone it applies",
}


@dataclass(frozen=True, slots=True)
class _Run:
    """What a finished run left: its results, and its rows by id."""

    results: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, Any]]

    def column(self, name: str, ids: Sequence[str]) -> list[float | None]:
        return [self.rows[key]["scores"].get(name) for key in ids]

    def scored(self, name: str) -> bool:
        return any(name in row["scores"] for row in self.rows.values())


def compare(
    run_a: Path | str, run_b: Path | str, *, seed: int = 0, resamples: int = RESAMPLES, out: Path | str | None = None
) -> dict[str, Any]:
    """Return the differences B - A over the examples both runs share, by metric: see `DEFINITIONS` for the fields.

    A figure of the whole set (an area, a calibration error: no example has a score of its own) has its difference, and
    that only where both runs hold the same examples; no p, no wins, and an interval only in kind "factuality".
    `changes` lists the examples that moved most, `notes` what a reader must know (other data, failed examples).

    Args:
        run_a: folder of a run, or the `results.json` in it.
        run_b: the same of the run that is to be better.
        seed: of the bootstrap and of the random swaps.
        resamples: of the bootstrap.
        out: folder for `results.json`, `per_example.jsonl` and `report.html` of the comparison; None: nothing written.

    Raises:
        DocumentError: a run has no readable results, or a score in it is no finite number.
        UserError: the runs share no metric or no example.
    """
    a, b = _load(Path(run_a)), _load(Path(run_b))
    shared = [key for key in a.rows if key in b.rows]
    if not shared:
        raise UserError(f"{run_a} and {run_b} share no example id. Compare runs over the same data set.")
    names = [name for name in a.results["metrics"] if name in b.results["metrics"]]
    if not names:
        kinds = f"{a.results.get('kind')!r} and {b.results.get('kind')!r}"
        raise UserError(f"{run_a} and {run_b} share no metric: they are of kind {kinds}. Compare runs of one kind.")
    options = RunOptions(seed=seed, resamples=resamples)
    metrics = {name: _compared(name, a, b, shared, options) for name in names}
    _sharpen(metrics, a, b, options)
    corrected = holm({name: row["p_permutation"] for name, row in metrics.items()})
    for name, row in metrics.items():
        row["p_holm"] = corrected[name]
    kind = str(a.results.get("kind"))
    hashes = [run.results.get("dataset", {}).get("hash") for run in (a, b)]
    found = {
        "kind": "comparison",
        "of": kind,
        "a": str(run_a),
        "b": str(run_b),
        "metrics": metrics,
        "definitions": DEFINITIONS,
        "n": len(shared),
        "only_a": len(a.rows.keys() - b.rows.keys()),
        "only_b": len(b.rows.keys() - a.rows.keys()),
        "same_dataset": hashes[0] == hashes[1] and hashes[0] is not None,
        "dataset": dict(a.results.get("dataset", {})),
        "notes": _notes(a, b, shared),
        "changes": _changes(kind, names, a, b, shared),
        "flips": FLIPS,
        **stamp(options),
    }
    if out is not None:
        _write(Path(out), found, a, b, shared)
    return found


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as a Markdown table, four decimals, with its notes below."""
    lines = [
        "| metric | A | B | B - A | 95 % | p bootstrap | p permutation | p Holm | wins/losses/ties | n |",
        "|---|---:|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in comparison["metrics"].items():
        span = "–" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"
        sign = f"{_digits(row['difference'], '+.4f')} | {span}"
        tests = " | ".join(_digits(row[key]) for key in ("p", "p_permutation", "p_holm"))
        counts = "–" if row["wins"] is None else f"{row['wins']}/{row['losses']}/{row['ties']}"
        cells = f"{_digits(row['a'])} | {_digits(row['b'])} | {sign} | {tests} | {counts} | {row['n']}"
        lines.append(f"| {name} | {cells} |")
    return "\n".join([*lines, *(f"\n- {note}" for note in comparison["notes"])]) + "\n"


def _digits(value: float | None, form: str = ".4f") -> str:
    return "–" if value is None else format(value, form)


def _compared(name: str, a: _Run, b: _Run, shared: Sequence[str], options: RunOptions) -> dict[str, Any]:
    if not a.scored(name) or not b.scored(name):
        return _of_the_set(name, a, b)
    left, right = a.column(name, shared), b.column(name, shared)
    row = difference(left, right, seed=options.seed, resamples=options.resamples)
    gaps = [y - x for x, y in zip(left, right, strict=True) if x is not None and y is not None]
    wins, losses = sum(gap > _SAME for gap in gaps), sum(gap < -_SAME for gap in gaps)
    counts = {"wins": wins, "losses": losses, "ties": len(gaps) - wins - losses, "one_sided": row["n"] - len(gaps)}
    p = None if row["difference"] is None else permutation_p(left, right, seed=options.seed)
    return {**row, "value": row["difference"], "p_permutation": p, **counts}


_SAME = 1e-12


def _of_the_set(name: str, a: _Run, b: _Run) -> dict[str, Any]:
    """Difference of a figure that no example has by itself."""
    first, second = (run.results["metrics"][name].get("value") for run in (a, b))
    known = a.rows.keys() == b.rows.keys() and first is not None and second is not None
    gap = second - first if known else None
    none = dict.fromkeys(("low", "high", "p", "p_permutation", "wins", "losses", "ties", "one_sided"))
    return {"a": first, "b": second, "difference": gap, "value": gap, "n": len(a.rows.keys() & b.rows.keys()), **none}


def _sharpen(metrics: Mapping[str, dict[str, Any]], a: _Run, b: _Run, options: RunOptions) -> None:
    """Put in the figures of the whole set, drawn together, with intervals, where the kind of run has them."""
    whole = [name for name in metrics if not (a.scored(name) and b.scored(name))]
    if not whole or {run.results.get("kind") for run in (a, b)} != {"factuality"}:
        return
    try:
        found = differences(list(a.rows.values()), list(b.rows.values()), options)
    except KeyError:  # rows of an older run lack what that needs
        return
    for name in whole:
        if name in found:
            metrics[name].update(found[name], value=found[name]["difference"])


def _notes(a: _Run, b: _Run, shared: Sequence[str]) -> list[str]:
    """What a reader must know before believing the differences."""
    notes = []
    for field, words in (("kind", "are of different kinds"), ("seed", "were drawn with different seeds")):
        x, y = a.results.get(field), b.results.get(field)
        if x != y:
            notes.append(f"The runs {words}: {x} and {y}.")
    x, y = (run.results.get("dataset", {}).get("hash") for run in (a, b))
    if x != y or x is None:
        notes.append(f"The runs read different data ({x} and {y}): only ids that both have are compared.")
    other = [key for key in shared if a.rows[key].get("question") != b.rows[key].get("question")]
    if other:
        notes.append(f"{len(other)} ids stand for different questions in the two runs, first {other[0]!r}.")
    left, right = len(a.rows) - len(shared), len(b.rows) - len(shared)
    if left or right:
        notes.append(f"Left out: {left} examples that only A has, {right} that only B has.")
    failed = [int(run.results.get("errors") or 0) for run in (a, b)]
    if any(failed):
        notes.append(f"Failed examples, counted as no answer: {failed[0]} in A, {failed[1]} in B.")
    for name, run in (("A", a), ("B", b)):
        notes += [f"{name}: {note}" for note in run.results.get("notes") or () if " failed. " not in note]
    same = a.results.get("settings_hash") == b.results.get("settings_hash") and a.results.get("settings_hash")
    if same and a.results.get("git") == b.results.get("git"):
        notes.append("Both runs carry the same settings hash and commit.")
    whole = [name for name in a.results["metrics"] if name in b.results["metrics"] and not a.scored(name)]
    if whole:
        notes.append(f"Figures of the whole set, without p and wins: {', '.join(whole)}.")
    return notes


def _changes(kind: str, names: Sequence[str], a: _Run, b: _Run, shared: Sequence[str]) -> dict[str, list[Any]]:
    """The examples whose score moved most, ups and downs together, by main metric."""
    found = {}
    for name in [name for name in MAIN.get(kind, ()) if name in names] or names[:1]:
        pairs = zip(shared, a.column(name, shared), b.column(name, shared), strict=True)
        moved = [(key, x, y) for key, x, y in pairs if x is not None and y is not None and abs(y - x) > _SAME]
        moved.sort(key=lambda row: -abs(row[2] - row[1]))
        found[name] = [
            {"id": key, "question": str(a.rows[key].get("question") or "")[:300], "a": x, "b": y, "difference": y - x}
            for key, x, y in moved[:SHOWN]
        ]
    return found


def _write(out: Path, found: dict[str, Any], a: _Run, b: _Run, shared: Sequence[str]) -> None:
    if (out / "results.json").exists() and _load(out).results.get("kind") != "comparison":
        raise UserError(f"{out} holds a run. Give another folder for the comparison.")
    found["per_example"] = "per_example.jsonl"
    rows = []
    for key in shared:
        x, y = a.rows[key], b.rows[key]
        both = {name: (x["scores"].get(name), y["scores"].get(name)) for name in found["metrics"]}
        gaps = {name: None if None in pair else pair[1] - pair[0] for name, pair in both.items()}
        head = {name: x.get(name) for name in ("question", "language", "domain", "references")}
        rows.append({"id": key, **head, "a": dict(x), "b": dict(y), "scores": gaps})
    write_lines(out / "per_example.jsonl", rows)
    write_report(out / "report.html", found, rows)
    write_json(out / "results.json", found)


def _load(run: Path) -> _Run:
    """Read a finished run."""
    path = run if run.is_file() else run / "results.json"
    try:
        results = load_json(path.read_text(encoding="utf-8"))
        per_example = path.parent / results["per_example"]
        if not isinstance(results["metrics"], dict):
            raise TypeError("'metrics' is no object")
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DocumentError(f"{path} is not the result of a finished run ({why}). Give its folder.") from error
    rows: dict[str, Mapping[str, Any]] = {}
    for line, row in objects(per_example):
        _check(row, f"{per_example}:{line}", rows)
        rows[row["id"]] = row
    return _Run(results, rows)


def _check(row: Mapping[str, Any], where: str, rows: Mapping[str, Any]) -> None:
    """Admit a row with a new id and with scores that are finite numbers or None."""
    key, scores = row.get("id"), row.get("scores")
    if not isinstance(key, str) or key in rows:
        raise DocumentError(f"{where}: want an id that occurs once, got {shown(key)}. Run the evaluation again.")
    if not isinstance(scores, dict):
        raise DocumentError(f"{where}: field 'scores' must be an object, got {shown(scores)}. Run it again.")
    for name, value in scores.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not number:
            raise DocumentError(f"{where}: score {name!r} must be a finite number or null, got {shown(value)}.")
