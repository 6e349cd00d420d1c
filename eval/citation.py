"""Do the citations of an answer carry it? Citation recall and precision of ALCE (Gao et al., EMNLP 2023, section 4.2).

Recall of a sentence: 1 where it has a citation and its cited passages together support it, else 0. A citation is
precise where its sentence has recall 1 and the citation is not irrelevant; it is irrelevant where its passage alone
does not support the sentence and the other cited passages still do without it. Recall of an answer is the mean over
its sentences, precision the share of its citations that are precise; like ALCE's own script, an answer without
citations has precision 0. A sentence citing a passage twice cites it once.

What supports a sentence is for a judge to say: the figures are as good as the judge, which has to be named with them.
Truncation to three citations a sentence, as ALCE's script does, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from rag.language import sentence_spans
from rag.schema import Answer, Citation, Label, Passage, Verdict


@runtime_checkable
class Judge(Protocol):
    """Says whether passages, read together, support a claim."""

    def judge(self, claim: str, passages: Sequence[Passage]) -> tuple[Label, float]:
        """Return the label and the confidence in [0, 1] that the claim is supported."""


@runtime_checkable
class Checker(Protocol):
    """Checks the sentences of an answer against the passages they cite, as an assistant does."""

    def check(self, answer: Answer) -> Verdict:
        """Return one claim a sentence."""


@dataclass(frozen=True, slots=True)
class CheckerJudge:
    """A judge made of a checker: the claim is an answer that cites all the passages."""

    checker: Checker

    def judge(self, claim: str, passages: Sequence[Passage]) -> tuple[Label, float]:
        """Return "supported" where every sentence of the claim is; the lowest confidence of its sentences."""
        cited = tuple(Citation(0, len(claim), passage.rank, 0, 0) for passage in passages)
        claims = self.checker.check(Answer("", claim, tuple(passages), cited)).claims
        if not claims:
            return "not_enough_info", 0.0
        worst = min(claims, key=lambda checked: (checked.label == "supported", checked.confidence))
        return worst.label, worst.confidence


def support(answer: Answer, verdict: Verdict, judge: Judge | None = None) -> list[dict[str, Any]]:
    """Return {"start", "end", "ranks", "supported", "precise"} of each sentence of an answer.

    `ranks` are the passages it cites, `supported` its recall, `precise` those of `ranks` that are precise citations.
    Sentences are those of the verdict's claims, where it has any.

    Args:
        answer: a given answer; the citations of an abstained one mean nothing.
        verdict: a claim on a sentence and its cited passages spares a call of the judge that made it.
        judge: None: the verdict's claims are believed. Then `supported` is None for a cited sentence without a claim,
            and `precise` None where a supported sentence has several citations.
    """
    name = getattr(judge, "name", verdict.verifier)
    claims = {(claim.start, claim.end): claim for claim in verdict.claims}
    known = {(*span, claim.ranks): claim.label == "supported" for span, claim in claims.items()}
    asked = _Asked(answer, judge, known if judge is None or name == verdict.verifier else {})
    found = []
    for start, end in claims or sentence_spans(answer.text):
        ranks = tuple(sorted({c.rank for c in answer.citations if c.start < end and start < c.end}))
        supported = asked.supports(start, end, ranks) if ranks else False
        precise = _precise(asked, (start, end), ranks) if supported else None if supported is None else []
        found.append({"start": start, "end": end, "ranks": list(ranks), "supported": supported, "precise": precise})
    return found


def citation_recall(sentences: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of sentences that their citations support, from `support`; None if unknown or without any."""
    known = [sentence["supported"] for sentence in sentences]
    return sum(known) / len(known) if known and None not in known else None


def citation_precision(sentences: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of precise citations, from `support`; 0 without citations, None if unknown or no sentence."""
    if not sentences or any(sentence["precise"] is None for sentence in sentences):
        return None
    cited = sum(len(sentence["ranks"]) for sentence in sentences)
    return sum(len(sentence["precise"]) for sentence in sentences) / cited if cited else 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is known of an answer's sentences, and whom to ask for the rest."""

    answer: Answer
    judge: Judge | None
    known: Mapping[tuple[int, int, tuple[int, ...]], bool]

    def supports(self, start: int, end: int, ranks: tuple[int, ...]) -> bool | None:
        """Tell whether passages support a sentence; None where nobody can say."""
        if (start, end, ranks) in self.known or self.judge is None:
            return self.known.get((start, end, ranks))
        passages = [passage for passage in self.answer.passages if passage.rank in ranks]
        return self.judge.judge(self.answer.text[start:end], passages)[0] == "supported"


def _precise(asked: _Asked, span: tuple[int, int], ranks: tuple[int, ...]) -> list[int] | None:
    """Return the precise citations of a supported sentence."""
    if len(ranks) == 1:
        return list(ranks)
    precise = []
    for rank in ranks:
        alone = asked.supports(*span, (rank,))
        if alone is None:
            return None
        if alone or not asked.supports(*span, tuple(other for other in ranks if other != rank)):
            precise.append(rank)
    return precise
