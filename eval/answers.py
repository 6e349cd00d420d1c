"""From an answer to what is kept of it, and from what is kept to its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eval.abstention import was_given
from eval.citation import Checker, CheckerJudge, Judge, citation_precision, citation_recall, support
from eval.dataset import Example
from eval.numeric import is_figure, numeric_accuracy
from eval.overlap import OVERLAP, score, tokens
from rag.schema import Answer, Figure, Message, Passage, Verdict

SHOWN = 1500
"""Characters kept of a passage."""

METRICS = (
    *OVERLAP,
    "numeric_accuracy",
    "faithfulness",
    "citation_precision",
    "citation_recall",
    "gold_citation_precision",
    "abstention_precision",
    "abstention_recall",
    "answered",
)

LOWER_IS_BETTER = frozenset({"aurc", "risk@0.8", "ece", "brier"})

DEFINITIONS = {
    "rouge1": "F-measure, best reference; Han by character; over answerable questions, no answer = 0",
    "rouge2": "as rouge1",
    "rougeL": "as rouge1",
    "rougeLsum": "as rouge1, sentence by sentence",
    "bleu": "mean of sacrebleu sentence scores / 100; over answerable questions, no answer = 0",
    "chrf": "mean of sacrebleu sentence chrF2 / 100, best reference; over answerable questions, no answer = 0",
    "exact_match": "after SQuAD or CMRC normalisation; over answerable questions, no answer = 0",
    "token_f1": "after SQuAD or CMRC normalisation; over answerable questions, no answer = 0",
    "numeric_accuracy": "the first figure, or the one it ends with, or all of a list, with unit, scale and direction "
    "within 0.5 %; over answerable questions for a number, and those whose reference is a figure alone",
    "faithfulness": "share of sentences the verifier calls supported; over given answers",
    "citation_precision": "ALCE: share of citations whose sentence is supported and that are needed for it or support "
    "it alone, no citation = 0; over given answers",
    "citation_recall": "ALCE: share of sentences that their cited passages together support; over given answers",
    "gold_citation_precision": "share of citations that point at a gold passage; over given answers to answerable "
    "questions whose contexts hold gold and other passages",
    "abstention_precision": "share of abstentions at unanswerable questions",
    "abstention_recall": "share of unanswerable questions that were abstained from",
    "answered": "share of answerable questions that got an answer",
    "aurc": "area under risk over coverage, lower is better; risk = 1 - numeric accuracy or token F1, an answer to an "
    "unanswerable question and no answer = 1; over all questions",
    "risk@0.8": "risk, as in aurc, of the 80 % of all questions with the highest confidence; lower is better",
    "ece": "expected calibration error of the confidence, ten bins of equal width, against numeric accuracy or token "
    "F1; lower is better; over given answers",
    "brier": "mean squared distance of confidence and correctness, as in ece; lower is better; over given answers",
}


class Outcome(Protocol):
    """What an assistant returns."""

    @property
    def answer(self) -> Answer:
        """The answer as it is shown."""

    @property
    def verdict(self) -> Verdict:
        """One claim a sentence."""


class Assistant(Protocol):
    """What is measured: anything that answers a question from given passages, or from its own documents."""

    def ask(
        self, question: str, *, history: Sequence[Message] = (), passages: Sequence[Passage] | None = None
    ) -> Outcome:
        """Answer, or abstain. `passages` given: from them alone."""


def judge_of(assistant: Assistant, verifier: Judge | None = None) -> Judge | None:
    """Return who says whether a passage supports a sentence: the verifier given, else the assistant's own, if any."""
    if verifier is not None:
        return verifier
    return CheckerJudge(assistant) if isinstance(assistant, Checker) else None


def prediction_of(outcome: Outcome, judge: Judge | None = None) -> dict[str, Any]:
    """Return what is kept of an answer, ready for JSON. An abstained answer keeps its words in `reason` alone.

    `tokens` counts Latin words and Han characters of the answer and of the passages it was made from (no model's own
    tokens: no generator reports them); passages are cut at `SHOWN` characters.

    Args:
        outcome: answer and verdict.
        judge: for the citations (`eval.citation.support`); None: what the verdict's claims say has to do.

    Raises:
        ValueError: the answer's confidence is not in [0, 1].
    """
    answer, verdict = outcome.answer, outcome.verdict
    if answer.confidence is not None and not 0 <= answer.confidence <= 1:
        raise ValueError(f"the confidence of an answer must be in [0, 1], got {answer.confidence}")
    said = "" if answer.abstained else answer.text
    kept = {
        "prediction": said,
        "abstained": answer.abstained,
        "reason": answer.reason,
        "confidence": None if answer.confidence is None else round(answer.confidence, 12),  # the same on every run
        "model": answer.model,
        "verifier": verdict.verifier,
        "judge": getattr(judge, "name", verdict.verifier),
        "faithfulness": None,
        "claims": [],
        "citations": [],
        "support": [],
        "figures": [_figure(figure) for figure in answer.figures if figure.rank is not None],
        "passages": [_passage(passage) for passage in answer.passages],
        "tokens": {"answer": len(tokens(said)), "passages": sum(len(tokens(p.chunk.text)) for p in answer.passages)},
        "timings": dict(answer.timings),
    }
    return kept if answer.abstained else kept | _given(answer, verdict, judge)


def _given(answer: Answer, verdict: Verdict, judge: Judge | None) -> dict[str, Any]:
    """Return what only a given answer has."""
    sources = {passage.rank: passage.source for passage in answer.passages}
    return {
        "faithfulness": verdict.faithfulness,
        "claims": [
            {"start": c.start, "end": c.end, "label": c.label, "confidence": c.confidence, "ranks": list(c.ranks)}
            for c in verdict.claims
        ],
        "citations": [
            {"start": c.start, "end": c.end, "rank": c.rank, "source": sources[c.rank]} for c in answer.citations
        ],
        "support": support(answer, verdict, judge),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    value = str(figure.value)
    span = {"start": figure.start, "end": figure.end, "text": figure.text}
    return span | {"value": value, "unit": figure.unit, "scale": figure.scale}


def _passage(passage: Passage) -> dict[str, Any]:
    text = passage.chunk.text[:SHOWN]
    return {"rank": passage.rank, "source": passage.source, "title": passage.title, "text": text}


def scores_of(example: Example, kept: Mapping[str, Any]) -> dict[str, float | None]:
    """Return every metric of one example; None where a metric does not apply (see `DEFINITIONS`).

    A failed example (`error`) counts as no answer given and as not abstained.
    """
    scores: dict[str, float | None] = dict.fromkeys(METRICS)
    text, abstained, given = str(kept.get("prediction") or ""), bool(kept.get("abstained")), was_given(kept)
    if example.answerable:
        scores.update(score(text, example.references) if given else dict.fromkeys(OVERLAP, 0.0))
        scores["numeric_accuracy"] = _numeric(example, kept, text if given else "")
        scores["answered"] = float(given)
    else:
        scores["abstention_recall"] = float(abstained)
    if abstained:
        scores["abstention_precision"] = float(not example.answerable)
    if given:
        scores["faithfulness"] = kept.get("faithfulness")
        scores["citation_recall"] = citation_recall(kept.get("support") or ())
        scores["citation_precision"] = citation_precision(kept.get("support") or ())
        scores["gold_citation_precision"] = _gold_citation_precision(example, kept)
    return scores


def _numeric(example: Example, kept: Mapping[str, Any], text: str) -> float | None:
    """Judge the figure of a question for a number, or of one whose reference is a figure alone (no date).

    The references of a "list" are its items: where all are figures, all must be in the answer.
    """
    references = list(example.exact or example.references)
    if example.answer_type == "list":
        references = ["; ".join(references)] if all(map(is_figure, references)) else []
    elif example.answer_type != "number":
        references = [reference for reference in references if is_figure(reference)]
    if not references:
        return None
    figures = kept.get("figures") or ()
    return numeric_accuracy(text, references, scale=example.scale, question=example.question, figures=figures)


def _gold_citation_precision(example: Example, kept: Mapping[str, Any]) -> float | None:
    """Share of citations that point at a gold passage; unknown without citations, or without a choice of passages."""
    offered = {context.id for context in example.contexts or ()}
    gold = offered & set(example.gold_passages)
    cited = {(c["start"], c["end"], c["source"]) for c in kept.get("citations") or []}
    if not gold or gold == offered or not cited or not example.answerable:
        return None
    return sum(source in gold for _, _, source in cited) / len(cited)
