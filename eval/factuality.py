"""How well does a verifier tell what people told? Every sentence of a labelled response is checked against its context.

A run is a folder that resumes (see `eval.resume`): predictions.jsonl grows while responses are checked, and
per_example.jsonl, results.json and report.html are written at the end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from eval.abstention import reliability
from eval.dataset import Context, passages_of
from eval.detection import DEFINITIONS, FEW, VERDICTS, figures, roc
from eval.labelled import Labelled, Span, load_factuality, merged, overlap
from eval.leakage import guard, guard_notes
from eval.report import write_report
from eval.resume import each, failed
from eval.run import choose
from eval.stamp import RunOptions, percentiles, stamp, write_json, write_lines
from rag.language import sentence_spans
from rag.schema import Answer, Citation, Passage, Verdict

__all__ = ["Checker", "check", "evaluate_factuality", "load_factuality", "score_of"]

THRESHOLD = 0.5
"""Score below which a response is called hallucinated."""

LOWEST = 3
"""Sentences the score of a response rests on."""

_SHOWN = 1500  # characters of a context kept a row
_MARKER = re.compile(r"\[\d{1,3}(?:\s*[,，;–-]\s*\d{1,3})*\]")


class Checker(Protocol):
    """A verifier with a name."""

    @property
    def name(self) -> str:
        """What is stamped on results."""

    def verify(self, answer: Answer) -> Verdict:
        """Return one claim a sentence."""


def evaluate_factuality(
    file: Path | str,
    out: Path | str,
    *,
    verifier: Checker,
    limit: int | None = None,
    options: RunOptions | None = None,
) -> dict[str, Any]:
    """Check the labelled responses of a file and return what `out/results.json` then holds.

    Args:
        file: see `load_factuality`.
        out: folder of the run.
        verifier: what is measured. A response it fails at is recorded with its error and left out of the figures.
        limit: at most so many examples, always the same ones, drawn by a hash of their ids.
        options: stamp, seed, progress.

    Raises:
        DocumentError: the file is not a labelled set.
        UserError: `limit` is less than 1; or a model in use was trained on a response (`eval.leakage`).
    """
    options = options or RunOptions()
    file, out = Path(file), Path(out)
    return measure_set(load_factuality(file), file, out, verifier, limit=limit, options=options)


def measure_set(
    examples: Sequence[Labelled],
    file: Path,
    out: Path,
    verifier: Checker,
    *,
    limit: int | None,
    options: RunOptions,
) -> dict[str, Any]:
    """Check examples that are read already; see `evaluate_factuality`."""
    chosen = choose(examples, limit)
    memory = guard({example.id: example.response for example in chosen}, options, file=file)
    key = run_key(file, verifier, options)
    place = {example.group: at for at, example in reversed(list(enumerate(chosen)))}
    together = sorted(chosen, key=lambda example: place[example.group])  # a source is read once, then remembered
    kept = each(
        out,
        together,
        lambda example: {"claims": _claims(check(example.response, example.contexts, verifier, example.question))},
        id_of=lambda example: example.id,
        key=key,
        options=options,
        what=f"verify {file.name.partition('.')[0]} by {verifier.name}",
    )
    rows = [_row(example, kept[example.id]) for example in chosen]
    groups = len({example.group for example in chosen})
    drawn = "source" if groups >= FEW else "example"
    data = {"name": file.name, "hash": key["dataset"], "n": len(rows), "sources": groups, "resampled": drawn}
    results = _summary(rows, options) | {"verifier": verifier.name, "dataset": data, "memorisation": memory}
    results["notes"] += guard_notes(memory)
    write_lines(out / "per_example.jsonl", rows)
    write_report(out / "report.html", results, rows)
    write_json(out / "results.json", results)
    return results


def run_key(file: Path, verifier: Checker, options: RunOptions) -> dict[str, str]:
    """Return what the predictions of a run depend on: data (a file, or all files of a folder), settings, verifier."""
    digest = hashlib.sha256()
    for part in sorted(file.iterdir()) if file.is_dir() else [file]:
        digest.update(part.read_bytes())
    return {"dataset": digest.hexdigest()[:32], "settings_hash": options.settings_hash, "verifier": verifier.name}


def check(response: str, contexts: Sequence[str], verifier: Checker, question: str = "") -> Verdict:
    """Return the verdict on a response, each sentence checked against all of the contexts.

    Each sentence is handed over as citing every passage: what an answer leaves uncited a verifier may rightly distrust,
    but here the whole context is what the response was written from. A context is one passage, however long. Citation
    markers such as [1] are no part of what is said: they are blanked out, so that offsets stay.

    Raises:
        ValueError: the verifier found no sentence to check.
    """
    passages = _passages(tuple(contexts))
    response = _MARKER.sub(lambda found: " " * len(found.group()), response)
    spans = sentence_spans(response)
    cited = tuple(Citation(start, end, passage.rank, 0, 0) for start, end in spans for passage in passages)
    verdict = verifier.verify(Answer(question, response, passages, cited))
    if not verdict.claims:
        raise ValueError(f"{verdict.verifier}: no sentence to check in a response of {len(response)} characters")
    return verdict


def score_of(claims: Sequence[Mapping[str, Any]]) -> float:
    """Return the confidence that a response is faithful: the mean of its three least supported sentences.

    The lowest alone is often the verifier's mistake and falls with the number of sentences; the mean of all drowns a
    false sentence in a long response.
    """
    lowest = sorted(float(claim["confidence"]) for claim in claims)[:LOWEST]
    return sum(lowest) / len(lowest)


@lru_cache(maxsize=64)
def _passages(contexts: tuple[str, ...]) -> tuple[Passage, ...]:
    return tuple(passages_of([Context(f"context {at}", text) for at, text in enumerate(contexts, 1)]))


def _claims(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {"start": c.start, "end": c.end, "label": c.label, "confidence": c.confidence, "ranks": list(c.ranks)}
        for c in verdict.claims
    ]


def _row(example: Labelled, kept: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": example.id,
        "context": "\n\n".join(example.contexts)[:_SHOWN],
        "question": example.question,
        "response": example.response,
        "label": example.label,
        "gold": example.gold,
        "language": example.language,
        "domain": example.domain,
        "spans": None if example.spans is None else [list(span) for span in example.spans],
        "group": example.group,
        "claims": kept.get("claims") or [],
        "error": kept.get("error"),
        "seconds": kept["seconds"],
    }
    if row["error"]:
        return row | {"score": None, "predicted": None, "verdict": None, "span_counts": None, "scores": {}}
    labels = {claim["label"] for claim in row["claims"]}
    score = score_of(row["claims"])
    caught = score < THRESHOLD or labels != {"supported"}
    row |= {"score": score, "predicted": "hallucinated" if caught else "faithful", "verdict": _verdict(labels)}
    row["span_counts"] = _span_counts(example.spans, row["claims"])
    return row | {"scores": _scores(row)}


def _verdict(labels: set[str]) -> str:
    if labels == {"supported"}:
        return "supported"
    return "contradicted" if "contradicted" in labels else "not_enough_info"


def _span_counts(spans: Sequence[Span] | None, claims: Sequence[Mapping[str, Any]]) -> tuple[int, int, int] | None:
    """Return characters told right, told and marked; a sentence that is not supported is told whole."""
    if spans is None:
        return None
    told = merged((claim["start"], claim["end"]) for claim in claims if claim["label"] != "supported")
    return overlap(told, spans), sum(b - a for a, b in told), sum(b - a for a, b in spans)


def _scores(row: Mapping[str, Any]) -> dict[str, float | None]:
    """What a single response says of the shares; the figures of the whole set have no value here."""
    bad, caught = row["label"] == "hallucinated", row["predicted"] == "hallucinated"
    hit, told, marked = row["span_counts"] or (0, 0, 0)
    known = row["span_counts"] is not None
    return {
        "accuracy": float(bad == caught),
        "precision": float(bad) if caught else None,
        "recall": float(caught) if bad else None,
        "specificity": None if bad else float(not caught),
        "span_f1_mean": None if not known else 2 * hit / (told + marked) if told + marked else 1.0,
        "verdict_accuracy": float(row["gold"] == row["verdict"]) if row["gold"] in VERDICTS else None,
    }


def _summary(rows: Sequence[Mapping[str, Any]], options: RunOptions) -> dict[str, Any]:
    metrics, told = figures(rows, options), [row for row in rows if not row["error"]]
    bins = reliability([row["score"] for row in told], [float(row["label"] == "faithful") for row in told])
    return {
        "kind": "factuality",
        "metrics": metrics,
        "by_language": _groups(rows, "language", metrics, options),
        "by_domain": _groups(rows, "domain", metrics, options),
        "definitions": DEFINITIONS,
        "per_example": "per_example.jsonl",
        "predictions": "predictions.jsonl",
        "n": len(rows),
        **failed(rows, "They are left out of the figures."),
        "timings": {"seconds": percentiles([row["seconds"] for row in told])},
        "curves": {"roc": roc(rows), "reliability": bins},
        **stamp(options),
    }


def _groups(
    rows: Sequence[Mapping[str, Any]], field: str, whole: Mapping[str, Any], options: RunOptions
) -> dict[str, Any]:
    names = sorted({str(row[field]) for row in rows})
    if len(names) == 1:
        return {names[0]: whole}
    return {name: figures([row for row in rows if str(row[field]) == name], options) for name in names}
