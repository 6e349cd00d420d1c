"""From votes to figures: which run people prefer, how sure that is, whether they agree, whether they favour a side.

The unit is the pair: several people's votes on one are averaged before anything else, and intervals draw pairs anew. So
the figures speak for other questions of this kind, put to these people; not for other people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from eval.ballot import Vote, canonical, fingerprint, sheet_of, votes_in
from eval.bootstrap import Rows, estimate, statistic
from eval.krippendorff import alpha
from eval.stamp import RunOptions, percentiles, stamp, write_json, write_lines, write_text
from rag.errors import DocumentError, UserError

VERDICTS = ("a", "tie", "both_bad", "b")
_FEW = 30  # pairs below which bootstrap intervals are too narrow
_EXACT = 14  # pairs with a leaning up to which every flip of signs is counted
_FLIPS = 10_000

DEFINITIONS = {
    "preference": "share of votes for B minus share for A, -1 (always A) to 1 (always B); votes on a pair averaged",
    "preference_overall": "preference with the examples of identical answers counted as ties",
    "prefers_a": "share of votes for A; votes on a pair averaged",
    "prefers_b": "share of votes for B; votes on a pair averaged",
    "tie": "share of votes for equally good",
    "both_bad": "share of votes for both bad",
    "left": "share of left among votes for a side; A stands on the left of half the pairs, so 0.5 is expected "
    "whichever run is better",
    "alpha": "Krippendorff's alpha, ordinal: A < equal or both bad < B; over pairs with votes of two people or more",
    "alpha_nominal": "Krippendorff's alpha, nominal: A, B, equal, both bad",
    "p_permutation": "two-sided: how often a preference at least so far from 0 appears when the two answers of each "
    "pair are swapped by chance",
    "p_sign": "two-sided sign test over the pairs whose votes lean to one run",
}


def preference(folder: Path | str, *, options: RunOptions | None = None) -> dict[str, Any]:
    """Count the votes of a blinded sheet; write results.json, per_example.jsonl and preference.md, return the results.

    A person is known by the name: votes under one name are one person's, whatever file they lie in, and of several
    votes on a pair the last counts. Votes on pairs that the sheet does not hold are named in `unknown_items` and
    counted nowhere else.

    Raises:
        UserError: the folder holds no sheet, or nobody has voted.
        DocumentError: a line cannot be read, or the key is not that of the sheet.
    """
    folder, options = Path(folder), options or RunOptions()
    pairs, key = sheet_of(folder), _key(folder)
    votes, unknown = _votes(folder, {pair["item"] for pair in pairs})
    if not votes:
        raise UserError(f"Nobody has voted in {folder} yet. Open its page, judge some pairs, then count again.")
    by_item: dict[str, list[Vote]] = {}
    for vote in votes:
        by_item.setdefault(vote.item, []).append(vote)
    rows = [_row(pair, key["left"], by_item[pair["item"]]) for pair in pairs if pair["item"] in by_item]
    results = {
        "kind": "preference",
        **{name: key.get(name) for name in ("a", "b", "dataset", "available", "identical", "unanswered")},
        "metrics": _measured(rows, options, key),
        **_tests([row["scores"]["preference"] for row in rows], options.seed),
        "by_language": _groups(rows, "language", options),
        "by_domain": _groups(rows, "domain", options),
        "definitions": DEFINITIONS,
        "per_example": "per_example.jsonl",
        "n": len(rows),
        "pairs": len(pairs),
        "votes": len(votes),
        "errors": 0,
        "error_examples": [],
        "annotators": _annotators(votes, key["left"], len(pairs)),
        "unknown_items": unknown,
        "notes": _notes(rows, unknown),
        "timings": {"seconds": percentiles([vote.seconds for vote in votes if vote.seconds])},
        **stamp(options),
    }
    write_lines(folder / "per_example.jsonl", rows)
    write_text(folder / "preference.md", preference_table(results))
    write_json(folder / "results.json", results)
    return results


def preference_table(results: Mapping[str, Any]) -> str:
    """Return the figures as Markdown: what was compared, one row a figure, then what to know about them."""
    lines = [
        f"A = {results['a']}, B = {results['b']}: {results['votes']} votes by {len(results['annotators'])} on "
        f"{results['n']} of {results['pairs']} pairs; {results['identical']} examples with identical answers left out.",
        "",
        "| figure | value | 95 % | pairs |",
        "|---|---:|---|---:|",
    ]
    groups = {"": results["metrics"]}
    if len(results["by_language"]) > 1:
        groups |= {f" ({name})": metrics for name, metrics in results["by_language"].items()}
    for suffix, metrics in groups.items():
        lines += [_line(name + suffix, row) for name, row in metrics.items() if not suffix or row["n"]]
    lines += [f"| {name} | {_chance(results[name])} | – | {results['n']} |" for name in ("p_permutation", "p_sign")]
    lines += ["", *(f"- {name}: {told}" for name, told in results["definitions"].items())]
    lines += [f"- {note}" for note in results["notes"]]
    return "\n".join(lines) + "\n"


def _chance(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"


def _line(name: str, row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return f"| {name} | – | – | {row['n']} |"
    span = "–" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
    return f"| {name} | {row['value']:.4f} | {span} | {row['n']} |"


def _key(folder: Path) -> dict[str, Any]:
    """Return the key, once it is known to be that of the sheet."""
    path = folder / "key.json"
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
        known, sheet = dict(key["left"]), str(key["sheet"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DocumentError(f"{path} is not the key of a sheet ({type(error).__name__}: {error}).") from error
    if sheet != fingerprint(folder):
        raise DocumentError(
            f"{path} is the key of another sheet than {folder / 'sheet.jsonl'}, or the sheet was edited."
        )
    if not set(known.values()) <= {"a", "b"}:
        raise DocumentError(f"{path}: field 'left' must say 'a' or 'b' of every pair.")
    return dict(key)


def _votes(folder: Path, items: set[str]) -> tuple[list[Vote], list[str]]:
    """Return the votes that count, one a person and pair, and the ids of pairs that the sheet does not hold."""
    cast = [vote for path in sorted((folder / "votes").glob("*.jsonl")) for vote in votes_in(path)]
    cast.sort(key=lambda vote: vote.at)  # stable: in a file without times the order of the lines holds
    last = {(canonical(vote.annotator), vote.item): vote for vote in cast}
    unknown = sorted({vote.item for vote in last.values()} - items)
    return [vote for vote in last.values() if vote.item in items], unknown


def _verdict(vote: Vote, left: Mapping[str, str]) -> str:
    """Return "a", "b", "tie" or "both_bad"."""
    if vote.choice not in ("left", "right"):
        return vote.choice
    first = left[vote.item]
    return first if vote.choice == "left" else ("b" if first == "a" else "a")


def _row(pair: Mapping[str, Any], left: Mapping[str, str], votes: Sequence[Vote]) -> dict[str, Any]:
    """Return a pair with its votes and its scores, each the mean over the people who judged it."""
    verdicts = [_verdict(vote, left) for vote in votes]
    share = {name: verdicts.count(name) / len(verdicts) for name in VERDICTS}
    told = [
        {"annotator": vote.annotator, "choice": vote.choice, "verdict": verdict, "reason": vote.reason}
        for vote, verdict in zip(votes, verdicts, strict=True)
    ]
    scores = {"preference": share["b"] - share["a"], "prefers_a": share["a"], "prefers_b": share["b"]}
    scores |= {"tie": share["tie"], "both_bad": share["both_bad"]}
    about = {"id": pair["item"], "question": pair["question"], "language": pair.get("language", "")}
    return {**about, "domain": pair.get("domain", ""), "left": left[pair["item"]], "votes": told, "scores": scores}


def _measured(
    rows: Sequence[Mapping[str, Any]], options: RunOptions, key: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return every figure of some pairs; with the key also the one that needs to know of identical answers."""
    drawn = {"seed": options.seed, "resamples": options.resamples}
    found: dict[str, Any] = {
        name: estimate([row["scores"][name] for row in rows], **drawn) for name in rows[0]["scores"]
    }
    if key is not None:
        available, identical = int(key.get("available") or 0), int(key.get("identical") or 0)
        share = available / (available + identical) if available else 1.0
        whole = {name: found["preference"][name] for name in ("value", "low", "high")}
        scaled = {name: None if value is None else value * share for name, value in whole.items()}
        found["preference_overall"] = {**scaled, "n": len(rows)}
    found["left"] = _left(rows, options)
    people = [[vote["verdict"] for vote in row["votes"]] for row in rows]
    ordinal = [[v.count("a"), v.count("tie") + v.count("both_bad"), v.count("b")] for v in people]
    found["alpha"] = alpha(ordinal, "ordinal", **drawn)
    found["alpha_nominal"] = alpha([[v.count(name) for name in VERDICTS] for v in people], "nominal", **drawn)
    return found


def _groups(rows: Sequence[Mapping[str, Any]], field: str, options: RunOptions) -> dict[str, Any]:
    names = sorted({str(row[field]) for row in rows})
    return {name: _measured([row for row in rows if str(row[field]) == name], options) for name in names}


def _left(rows: Sequence[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    """Return the share of left among the votes for a side; pairs are drawn, with all their votes."""
    counts = np.array([[_count(row, "left"), _count(row, "right")] for row in rows], dtype=np.float64)
    sided = counts[counts.sum(axis=1) > 0]

    def measure(drawn: Rows) -> float:
        total = sided[drawn].sum(axis=0)
        return float(total[0] / total.sum())

    return statistic(measure, len(sided), seed=options.seed, resamples=options.resamples)


def _count(row: Mapping[str, Any], choice: str) -> int:
    return sum(vote["choice"] == choice for vote in row["votes"])


def _tests(leanings: Sequence[float], seed: int) -> dict[str, float]:
    """Return p of the sign-flip permutation test and of the sign test; 1 where no pair leans to a run."""
    known = np.array([value for value in leanings if value], dtype=np.float64)
    for_b = int((known > 0).sum())
    tail = sum(comb(known.size, k) for k in range(min(for_b, known.size - for_b) + 1))
    p_sign = min(1.0, 2 * tail / 2**known.size)
    seen = abs(known.sum()) - 1e-9
    if known.size <= _EXACT:
        flips = np.array(list(product((-1.0, 1.0), repeat=known.size))).reshape(2**known.size, known.size)
        return {"p_permutation": float((abs(flips @ known) >= seen).mean()), "p_sign": p_sign}
    flips = np.random.default_rng(seed).choice((-1.0, 1.0), size=(_FLIPS, known.size))
    beyond = int((abs(flips @ known) >= seen).sum())
    return {"p_permutation": (beyond + 1) / (_FLIPS + 1), "p_sign": p_sign}


def _annotators(votes: Iterable[Vote], left: Mapping[str, str], pairs: int) -> list[dict[str, Any]]:
    """Return each person's share of the work and choices."""
    by: dict[str, list[Vote]] = {}
    for vote in votes:
        by.setdefault(canonical(vote.annotator), []).append(vote)
    told = []
    for theirs in by.values():
        verdicts = [_verdict(vote, left) for vote in theirs]
        seconds = percentiles([vote.seconds for vote in theirs if vote.seconds])["p50"]
        counts = {name: verdicts.count(name) for name in VERDICTS}
        lefts = sum(vote.choice == "left" for vote in theirs)
        told.append(
            {"annotator": theirs[-1].annotator, "votes": len(theirs), "of": pairs, **counts, "left": lefts}
            | {"median_seconds": seconds}
        )
    return told


def _notes(rows: Sequence[Mapping[str, Any]], unknown: Sequence[str]) -> list[str]:
    """Return what a reader of the figures must know."""
    notes = []
    if not any(len(row["votes"]) > 1 for row in rows):
        notes.append("No pair was judged by two people: agreement is not known. Let a second person judge the sheet.")
    if len(rows) < _FEW:
        notes.append(f"Fewer than {_FEW} pairs were judged: the intervals are too narrow.")
    if unknown:
        notes.append(f"Votes on {len(unknown)} pairs that the sheet does not hold were not counted: {unknown[:5]}.")
    return notes
