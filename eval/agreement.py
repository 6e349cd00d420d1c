"""How far verifiers and metrics agree with people, on every labelled set of a folder: one table, with intervals.

`OUT/SET/VERIFIER/` holds a run of `eval.factuality` a cell, `OUT/SET/METRIC/` the values behind the correlations. A
folder without `results.json` is an interrupted report: the next one under the same data, settings and verifiers keeps
what is finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.agreement_table import CELL, MAIN, agreement_table, table_of
from eval.detection import DEFINITIONS
from eval.factuality import Checker, load_factuality, measure_set
from eval.judged import DEFINITIONS as OF_CORRELATIONS
from eval.judged import (
    Graded,
    Judged,
    Metrics,
    Pair,
    Scorer,
    Values,
    correlations,
    graded_areas,
    is_graded,
    is_pairs,
    load_graded,
    load_pairs,
    overlap_scorer,
    refusals,
    verifier_scorer,
)
from eval.labelled import Labelled, is_labelled
from eval.lines import objects
from eval.report import write_report
from eval.resume import each
from eval.run import choose
from eval.stamp import RunOptions, check_folder, stamp, write_json, write_text
from rag.errors import DocumentError, UserError
from rag.schema import Embedder

__all__ = ["agreement_table", "evaluate_agreement"]


@dataclass(frozen=True, slots=True)
class _Sets:
    """What a folder holds, by name of the set; `files` has them all, `skipped` says why a file is none of them."""

    files: Mapping[str, Path]
    labelled: Mapping[str, Sequence[Labelled]]
    pairs: Mapping[str, Sequence[Pair]]
    graded: Mapping[str, Sequence[Graded]]
    skipped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Run:
    """One report in the making."""

    out: Path
    started: str
    verifiers: Mapping[str, Checker]
    embedder: Embedder | None
    limit: int | None
    options: RunOptions


def evaluate_agreement(
    folder: Path | str,
    out: Path | str,
    *,
    verifiers: Mapping[str, Checker],
    embedder: Embedder | None = None,
    limit: int | None = None,
    options: RunOptions | None = None,
) -> dict[str, Any]:
    """Measure every verifier on every labelled set of a folder, and every answer metric against people's judgements.

    Sets are told by their fields: see `eval.labelled.load_factuality`, `eval.judged.load_pairs` and `load_graded`.

    Args:
        folder: holds .jsonl and .jsonl.gz files; other files are passed over.
        out: folder of the report.
        verifiers: what is measured, by the name it has in the table.
        embedder: for the cosine of answer and reference among the metrics; None: without it.
        limit: at most so many examples a set.
        options: stamp, seed, progress.

    Raises:
        UserError: no such folder, no labelled set in it, no verifier, or a limit below 1.
        DocumentError: a set has faults; told before anything is measured.
    """
    if not verifiers:
        raise UserError("agreement: need at least one verifier, got none. Name one, such as support.")
    sets, out, options = _sets(Path(folder)), Path(out), options or RunOptions()
    check_folder(out)
    run = _Run(out, _started(out, sets, verifiers, options), verifiers, embedder, limit, options)
    cells = {name: {by: _cell(run, sets, name, by) for by in verifiers} for name in sets.labelled}
    results = _results(run, sets, cells) | _against_people(run, sets)
    results["dataset"] = {"name": Path(folder).resolve().name, "sets": len(sets.files), "limit": limit}
    results |= stamp(options)
    write_text(out / "per_example.jsonl", "")
    write_text(out / "agreement.md", agreement_table(results))
    write_report(out / "report.html", results, [])
    write_json(out / "results.json", results)
    return results


def _results(run: _Run, sets: _Sets, cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    table = table_of(cells, list(run.verifiers))
    return {
        "kind": "agreement",
        "metrics": {by: table["means"][by][MAIN] for by in run.verifiers},
        "definitions": {by: f"mean {MAIN} over the sets: {DEFINITIONS[MAIN]}" for by in run.verifiers},
        "table": table,
        "metric_definitions": {name: DEFINITIONS[name] for name in CELL} | OF_CORRELATIONS,
        "per_example": "per_example.jsonl",
        "n": sum(info["n"] for info in table["info"].values()),
        "errors": sum(cell["errors"] for row in cells.values() for cell in row.values()),
        "error_examples": _errors(cells),
        "skipped": dict(sets.skipped),
    }


def _against_people(run: _Run, sets: _Sets) -> dict[str, Any]:
    """Return what every answer metric says against what people said of answers."""
    found, areas, refused, failed = [], [], {}, {}
    for name, pairs in sets.pairs.items():
        chosen = choose(pairs, run.limit)
        values, failed[name] = _values(run, sets.files[name], chosen)
        found += [{"set": name, **row} for row in correlations(chosen, values, run.options)]
    for name, answers in sets.graded.items():
        graded = choose(answers, run.limit)
        values, failed[name] = _values(run, sets.files[name], [one for one in graded if one.grade != "refusal"])
        areas += [{"set": name, **row} for row in graded_areas(graded, values, run.options)]
        refused[name] = refusals(graded, run.options)
    told = {name: counts for name, counts in failed.items() if counts}
    return {"correlations": found, "graded": areas, "refusals": refused, "values_failed": told}


def _sets(folder: Path) -> _Sets:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder. Give one with labelled sets, .jsonl or .jsonl.gz.")
    paths = sorted(path for path in folder.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz")))
    files: dict[str, Path] = {}
    skipped: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {"labelled": {}, "pairs": {}, "graded": {}}
    for path in paths:
        name = path.name.removesuffix(".gz").removesuffix(".jsonl")
        if name in files:
            raise UserError(f"{folder} holds {name} twice, plain and gzipped. Keep one.")
        kind = _kind(path)
        if kind is None:
            skipped[path.name] = "its first record has neither context, response, label nor claim, evidence, label"
            continue
        files[name] = path
        found[kind][name] = _LOADERS[kind](path)
    if not files:
        seen = f"; found {', '.join(skipped)}" if skipped else ""
        raise UserError(
            f"{folder} holds no labelled set{seen}. Want .jsonl or .jsonl.gz files of objects with context, response "
            "and label (faithful or hallucinated), or claim, evidence and label."
        )
    return _Sets(files, **found, skipped=skipped)


_LOADERS: Mapping[str, Callable[[Path], Sequence[Any]]] = {
    "labelled": load_factuality,
    "pairs": load_pairs,
    "graded": load_graded,
}


def _kind(path: Path) -> str | None:
    first = next((value for _, value in objects(path)), None)
    if first is None:
        raise DocumentError(f"{path} holds no record. Give one JSON object a line, or take the file out.")
    tests = {"labelled": is_labelled, "pairs": is_pairs, "graded": is_graded}
    return next((kind for kind, test in tests.items() if test(first)), None)


def _started(out: Path, sets: _Sets, verifiers: Mapping[str, Checker], options: RunOptions) -> str:
    """Return when the report was begun: an interrupted one of the same kind goes on under its old date."""
    digest = hashlib.sha256()
    for name, path in sets.files.items():
        digest.update(f"{name}\n".encode() + path.read_bytes())
    names = ", ".join(f"{name}={verifier.name}" for name, verifier in verifiers.items())
    key = {"data": digest.hexdigest()[:32], "settings_hash": options.settings_hash, "verifiers": names}
    key |= {"seed": str(options.seed), "resamples": str(options.resamples)}
    state, results = out / "run.json", out / "results.json"
    before = _read(state)
    same = {**before, "started": ""} == {**key, "started": ""}
    if same and options.settings_hash and not results.exists():
        return str(before["started"])
    results.unlink(missing_ok=True)
    started = datetime.now(UTC).isoformat()
    write_json(state, key | {"started": started})
    return started


def _cell(run: _Run, sets: _Sets, name: str, by: str) -> dict[str, Any]:
    """Return the results of a verifier on a set: those of this report where they are finished, else new ones."""
    verifier, out = run.verifiers[by], run.out / name / _folder(by)
    chosen = choose(sets.labelled[name], run.limit)
    kept, mark = _read(out / "results.json"), {"started": run.started}
    if _read(out / "cell.json") == mark and kept.get("n") == len(chosen) and not kept["errors"]:
        return kept
    found = measure_set(chosen, sets.files[name], out, verifier, limit=None, options=run.options)
    write_json(out / "cell.json", mark)
    return found


def _read(path: Path) -> dict[str, Any]:
    """Return the object in a file, {} where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _values(run: _Run, file: Path, items: Sequence[Judged]) -> tuple[Values, dict[str, int]]:
    """Return all metrics of the answers of each item by its id, and how many items each verifier failed at.

    Resumable a verifier. An item that one failed at lacks its metrics.
    """
    name = file.name.removesuffix(".gz").removesuffix(".jsonl")
    scorers: dict[str, Scorer] = {"overlap": overlap_scorer(run.embedder)}
    scorers |= {by: verifier_scorer(by, verifier) for by, verifier in run.verifiers.items()}
    merged: dict[str, list[Metrics]] = {item.id: [{} for _ in item.responses] for item in items}
    failed: dict[str, int] = {}
    for by, scorer in scorers.items():
        kept = each(
            run.out / name / _folder(by),
            items,
            _work(scorer),
            id_of=lambda item: item.id,
            key={"started": run.started, "settings_hash": run.options.settings_hash, "scorer": by},
            options=run.options,
            what=f"score {name} by {by}",
        )
        if errors := sum(bool(row["error"]) for row in kept.values()):
            failed[by] = errors
        for key, row in kept.items():
            for ours, more in zip(merged[key], row.get("values") or [], strict=False):
                ours.update(more)
    return merged, failed


def _work(scorer: Scorer) -> Callable[[Judged], dict[str, Any]]:
    return lambda item: {"values": [dict(scorer(item.question, item.reference, text)) for text in item.responses]}


def _folder(name: str) -> str:
    """Return a folder name for a verifier's name; one that had to be changed carries a hash, so that none is shared."""
    plain = "".join(char if char.isalnum() or char in "-_" else "_" for char in name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _errors(cells: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    told = [
        {"set": name, "verifier": by, **error}
        for name, row in cells.items()
        for by, cell in row.items()
        for error in cell["error_examples"]
    ]
    return told[:20]
