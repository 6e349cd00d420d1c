"""Is each sentence of an answer carried by the passages it cites? Verifiers by name, and the one loop over sentences.

What judges a single claim stands elsewhere: `rag.weightless` (no trained model), `rag.entail` (NLI and hallucination
models), `rag.judge` (a language model behind a URL).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rag.errors import SettingsError
from rag.language import sentence_spans
from rag.schema import Answer, Claim, Embedder, Label, Passage, Verdict
from rag.weightless import SUPPORTED, VERBATIM, Checks, Coverage, Judgement, Nearness, Pairs, Support

WEIGHTLESS = ("lexical", "embedding", "checks", "support")
_NLI, _JUDGE = "nli:", "judge:"


class Judge(Protocol):
    """Judges single claims; several at once, so that a model can read them in batches."""

    @property
    def name(self) -> str:
        """Stamped on verdicts, with a version."""

    def judge_all(self, pairs: Pairs) -> list[Judgement]:
        """Return label and confidence in [0, 1] that it is supported, of each (claim, passages).

        The label is "supported" exactly where the confidence is at least 0.5.
        """


class SentenceVerifier:
    """Checks an answer sentence by sentence.

    Args:
        judge: what looks at a claim.
        uncited: confidence a sentence without citation needs, checked against all passages, to count as supported.
    """

    def __init__(self, judge: Judge, *, uncited: float = SUPPORTED) -> None:
        self._judge, self._uncited = judge, uncited

    @property
    def name(self) -> str:
        """The name stamped on verdicts."""
        return self._judge.name

    def judge(self, claim: str, passages: Sequence[Passage]) -> tuple[Label, float]:
        """Return the label of one claim and the confidence in [0, 1] that it is supported."""
        return self._judge.judge_all([(claim, passages)])[0]

    def judge_all(self, pairs: Pairs) -> list[Judgement]:
        """Return label and confidence of each (claim, passages); batched where the judge can."""
        return self._judge.judge_all(pairs)

    def verify(self, answer: Answer) -> Verdict:
        """Return one claim a sentence, each checked against the passages it cites."""
        spans = sentence_spans(answer.text)
        ranks = [{c.rank for c in answer.citations if c.start < end and c.end > start} for start, end in spans]
        cited = [[p for p in answer.passages if not own or p.rank in own] for own in ranks]
        pairs = [(answer.text[start:end], read) for (start, end), read in zip(spans, cited, strict=True)]
        claims = []
        for (start, end), own, (label, confidence) in zip(spans, ranks, self.judge_all(pairs), strict=True):
            if label == "supported" and not own and confidence < self._uncited:
                label, confidence = "not_enough_info", min(confidence, SUPPORTED - 0.01)
            claims.append(Claim(start, end, label, confidence, tuple(sorted(own))))
        return Verdict(tuple(claims), self.name)


def open_verifier(
    name: str,
    *,
    embedder: Embedder,
    device: str = "auto",
    url: str | None = None,
    api_key: str | None = None,
    timeout: float = 60.0,
) -> SentenceVerifier:
    """Return the verifier `name`. Nothing is loaded or asked before its first claim.

    Args:
        name: 'support' (all signals that need no trained model), its parts 'lexical', 'embedding' and 'checks',
            'nli:MODEL' (folder or hub id of a sequence classification model) or 'judge:MODEL' (model at `url`).
        embedder: texts to vectors, for 'embedding' and 'support'.
        device: for 'nli:MODEL': 'auto', 'cpu', 'cuda' or 'cuda:N'.
        url: base URL of an OpenAI-compatible server, for 'judge:MODEL'.
        api_key: its key, if it wants one.
        timeout: longest silence of that server, in seconds.

    Raises:
        SettingsError: the name means no verifier, with what is allowed.
    """
    weightless: dict[str, Callable[[], Judge]] = {
        "lexical": Coverage,
        "embedding": lambda: Nearness(embedder),
        "checks": Checks,
        "support": lambda: Support(embedder),
    }
    if name in weightless:  # words found here and there are no source: without a citation only verbatim text counts
        return SentenceVerifier(weightless[name](), uncited=VERBATIM)
    if name.startswith(_NLI) and len(name) > len(_NLI):
        from rag.entail import Entailment

        return SentenceVerifier(Entailment(name.removeprefix(_NLI), device=device))
    if name.startswith(_JUDGE) and len(name) > len(_JUDGE):
        return _judge_at(name.removeprefix(_JUDGE), url, api_key, timeout)
    raise SettingsError(
        f"verify.name {name!r} is no verifier. Allowed: {', '.join(map(repr, WEIGHTLESS))}, 'nli:MODEL' (folder or hub "
        "id of a sequence classification model), 'judge:MODEL' (a model at verify.url)."
    )


def _judge_at(model: str, url: str | None, api_key: str | None, timeout: float) -> SentenceVerifier:
    from rag.judge import ModelJudge
    from rag.remote import RemoteGenerator

    if not url:
        raise SettingsError(
            f"verify.name 'judge:{model}' asks a server, and none is named. Set verify.url (or llm.url) to the base "
            "URL of an OpenAI-compatible server, such as http://localhost:8000/v1."
        )
    return SentenceVerifier(ModelJudge(RemoteGenerator(model, url=url, api_key=api_key, timeout=timeout)))
