"""From an answer to what is kept of it, and from what is kept to its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eval.dataset import Example
from eval.numeric import numeric_accuracy
from eval.overlap import OVERLAP, score
from rag.language import sentence_spans
from rag.schema import Answer, Message, Passage, Verdict

METRICS = (
    *OVERLAP,
    "numeric_accuracy",
    "faithfulness",
    "citation_precision",
    "citation_recall",
    "abstention_precision",
    "abstention_recall",
    "answered",
)

DEFINITIONS = {
    "rouge1": "F-measure, best reference; Han by character; over answerable questions, no answer = 0",
    "rouge2": "as rouge1",
    "rougeL": "as rouge1",
    "bleu": "mean of sacrebleu sentence scores / 100; over answerable questions, no answer = 0",
    "exact_match": "after SQuAD or CMRC normalisation; over answerable questions, no answer = 0",
    "token_f1": "after SQuAD or CMRC normalisation; over answerable questions, no answer = 0",
    "numeric_accuracy": "first figure with unit and scale within 0.5 %; over answerable numeric questions",
    "faithfulness": "share of sentences the verifier calls supported; over given answers",
    "citation_precision": "share of citations that point at a gold passage; over given answers to answerable questions "
    "whose contexts hold gold and other passages",
    "citation_recall": "share of sentences that are cited and that the verifier calls supported; over given answers",
    "abstention_precision": "share of abstentions at unanswerable questions",
    "abstention_recall": "share of unanswerable questions that were abstained from",
    "answered": "share of answerable questions that got an answer",
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


def prediction_of(outcome: Outcome) -> dict[str, Any]:
    """Return what is kept of an answer, ready for JSON. An abstained answer keeps its words in `reason` alone."""
    answer, verdict = outcome.answer, outcome.verdict
    sources = {passage.rank: passage.source for passage in answer.passages}
    claims = [
        {"start": c.start, "end": c.end, "label": c.label, "confidence": c.confidence, "ranks": list(c.ranks)}
        for c in verdict.claims
    ]
    cited = [{"start": c.start, "end": c.end, "rank": c.rank, "source": sources[c.rank]} for c in answer.citations]
    figures = [
        {"start": f.start, "end": f.end, "text": f.text, "value": str(f.value), "unit": f.unit, "scale": f.scale}
        for f in answer.figures
        if f.rank is not None
    ]
    return {
        "prediction": "" if answer.abstained else answer.text,
        "abstained": answer.abstained,
        "reason": answer.reason,
        "confidence": answer.confidence,
        "model": answer.model,
        "verifier": verdict.verifier,
        "faithfulness": None if answer.abstained else verdict.faithfulness,
        "claims": [] if answer.abstained else claims,
        "citations": [] if answer.abstained else cited,
        "figures": figures,
    }


def scores_of(example: Example, kept: Mapping[str, Any]) -> dict[str, float | None]:
    """Return every metric of one example; None where a metric does not apply (see `DEFINITIONS`).

    A failed example (`error`) counts as no answer given and as not abstained.
    """
    scores: dict[str, float | None] = dict.fromkeys(METRICS)
    text, abstained = str(kept.get("prediction") or ""), bool(kept.get("abstained"))
    given = not abstained and not kept.get("error") and bool(text.strip())
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
        scores["citation_recall"] = _citation_recall(text, kept)
        scores["citation_precision"] = _citation_precision(example, kept)
    return scores


def _numeric(example: Example, kept: Mapping[str, Any], text: str) -> float | None:
    if example.answer_type != "number":
        return None
    references = example.exact or example.references
    figures = kept.get("figures") or ()
    return numeric_accuracy(text, references, scale=example.scale, question=example.question, figures=figures)


def _citation_recall(text: str, kept: Mapping[str, Any]) -> float | None:
    """Share of sentences that carry a citation and whose claim is supported: ALCE's recall, by our own verifier."""
    claims = kept.get("claims") or []
    spans = [(c["start"], c["end"]) for c in claims] or sentence_spans(text)
    if not spans:
        return None
    supported = {(c["start"], c["end"]) for c in claims if c["label"] == "supported"}
    cited = [(c["start"], c["end"]) for c in kept.get("citations") or []]
    carried = [span for span in spans if span in supported and any(a < span[1] and span[0] < b for a, b in cited)]
    return len(carried) / len(spans)


def _citation_precision(example: Example, kept: Mapping[str, Any]) -> float | None:
    """Share of citations that point at a gold passage; unknown without citations, or without a choice of passages."""
    offered = {context.id for context in example.contexts or ()}
    gold = offered & set(example.gold_passages)
    cited = {(c["start"], c["end"], c["source"]) for c in kept.get("citations") or []}
    if not gold or gold == offered or not cited or not example.answerable:
        return None
    return sum(source in gold for _, _, source in cited) / len(cited)
