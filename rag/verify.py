"""Is each sentence of an answer carried by the passages it cites? A first, readable verifier.

A sentence that stands verbatim in its passage is supported. Otherwise four signals are weighed: the weight of its terms
held by the best lines of the passage, the nearest sentence by meaning, whether its quantities occur there in the same
unit and scale, and whether one side is negated. It does not follow inference over several steps, does not add numbers
up, and reads no world knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rag.language import Language, sentence_spans
from rag.numbers import Quantity, find_quantities, find_scale, rounds_to
from rag.schema import Answer, Claim, Embedder, Label, Passage, Verdict
from rag.support import Line, coverage, language_of, lines, logistic, row_parts, term_set, vectors_for

CANDIDATES = 16  # lines of the passages embedded a claim

# Logistic constants of "the passages support the claim".
CONSTANTS: Mapping[Language, Mapping[str, float]] = {
    "en": {"bias": -5.0, "line": 2.0, "passage": 3.0, "cosine": 3.0, "numbers": 1.5, "negation": -1.0},
    "zh": {"bias": -5.0, "line": 4.0, "passage": 4.0, "numbers": 1.5, "negation": -1.0},
}
SUPPORTED = 0.5  # confidence from which a claim counts as supported
CLOSE = 0.6  # share of the claim's words a line must hold for a differing number or negation to contradict it
_CAUGHT = 0.03  # confidence left to a claim that is contradicted

_NEGATED = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|can't|isn't|aren't|wasn't|weren't|doesn't|don't|didn't|won't|"
    r"fail(?:s|ed)?|lack(?:s|ed)?|unable|absence)\b|不|没|未|无|非(?=[^常])|否",
    re.IGNORECASE,
)
_OWN_SCALE = re.compile(r"per[ -]|%|percent|ratio|rate|margin|number of|shares|每股|率|比例|占比|股数|人数", re.I)
_SPACE = re.compile(r"\s+")
_WORDS = "one 一|two 二 两|three 三|four 四|five 五|six 六|seven 七|eight 八|nine 九|ten 十|eleven 十一|twelve 十二"
_WORDS_OF = dict(enumerate(_WORDS.split("|"), 1)) | {20: "twenty 二十", 100: "hundred 百", 1000: "thousand 千"}


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for a claim, each in [0, 1] or a cosine; `missing` are quantities that no passage holds."""

    verbatim: bool
    line: float
    passage: float
    cosine: float
    numbers: float
    negation: float
    missing: tuple[Quantity, ...] = ()

    def features(self) -> dict[str, float]:
        """Return the inputs of the logistic."""
        names = ("line", "passage", "cosine", "numbers", "negation")
        return {name: float(getattr(self, name)) for name in names}


class SupportVerifier:
    """Checks an answer sentence by sentence.

    Args:
        embedder: texts to vectors; sentences already read by the answerer are not embedded again.
    """

    name = "support-1"

    def __init__(self, embedder: Embedder) -> None:
        self._vectors = vectors_for(embedder)

    def verify(self, answer: Answer) -> Verdict:
        """Return one claim a sentence; a sentence without citation is checked against all passages."""
        claims = []
        for start, end in sentence_spans(answer.text):
            ranks = {c.rank for c in answer.citations if c.start < end and c.end > start}
            cited = [p for p in answer.passages if not ranks or p.rank in ranks]
            label, confidence = self.judge(answer.text[start:end], cited)
            claims.append(Claim(start, end, label, confidence, tuple(sorted(ranks))))
        return Verdict(tuple(claims), self.name)

    def judge(self, claim: str, passages: Sequence[Passage]) -> tuple[Label, float]:
        """Return the label of one claim and the confidence in [0, 1] that it is supported."""
        found = self.signals(claim, passages)
        if found.verbatim:
            return "supported", 0.99
        confidence = logistic(found.features(), CONSTANTS[language_of(claim)])
        if found.line >= CLOSE and (found.missing or found.negation):
            return "contradicted", min(confidence, _CAUGHT)
        if found.missing:
            confidence = min(confidence, SUPPORTED - 0.01)
        return ("supported" if confidence >= SUPPORTED else "not_enough_info"), confidence

    def signals(self, claim: str, passages: Sequence[Passage]) -> Signals:
        """Measure what the passages hold of a claim."""
        plain = _flat(claim)
        if plain and any(plain in _flat(p.chunk.text) for p in passages):
            return Signals(True, 1.0, 1.0, 1.0, 1.0, 0.0)
        stated = find_quantities(claim)
        wanted = term_set(_without(claim, stated)) or term_set(claim)
        every = lines(passages)
        if not every or not wanted:
            return Signals(False, 0.0, 0.0, 0.0, 0.0, 0.0, tuple(stated))
        shares = {line.text: coverage(wanted, line.terms) for line in every}
        near = sorted(every, key=lambda line: -shares[line.text])[:CANDIDATES]
        made = self._vectors.of([claim, *(line.meaning for line in near)])
        held = frozenset().union(*(line.terms for line in every))
        missing = _missing(stated, every)
        best = near[0]
        return Signals(
            verbatim=False,
            line=shares[best.text],
            passage=coverage(wanted, held),
            cosine=float((made[1:] @ made[0]).max()),
            numbers=1.0 - len(missing) / len(stated) if stated else 1.0,
            negation=float(bool(_NEGATED.search(claim)) != bool(_NEGATED.search(best.text))),
            missing=tuple(missing),
        )


def _flat(text: str) -> str:
    return _SPACE.sub(" ", text).strip().rstrip(".。!！;；")


def _without(text: str, stated: Sequence[Quantity]) -> str:
    """Return the text with its quantities blanked out: they are compared as quantities, not as words."""
    for quantity in reversed(stated):
        text = f"{text[: quantity.start]} {text[quantity.end :]}"
    return text


def _missing(stated: Sequence[Quantity], every: Sequence[Line]) -> list[Quantity]:
    """Return the quantities of a claim that no line holds, in figures or in words."""
    if not stated:
        return []
    present = [q for line in every for q in _quantities(line)]
    spoken = frozenset(word for line in every for word in line.text.lower().split())
    return [q for q in stated if not any(_agree(q, p) for p in present) and not _in_words(q, spoken, every)]


def _quantities(line: Line) -> list[Quantity]:
    """Return the quantities of a line; the bare figures of a row take scale and currency of its caption."""
    found = find_quantities(line.text)
    if line.kind != "row":
        return found
    caption, label, _ = row_parts(line.text)
    scale, unit, currency = find_scale(caption)
    if scale == 1 and not unit and not currency:
        return found
    bare = [q for q in found if q.unit is None and q.scale == 1]
    scaled = [replace(q, unit=unit, scale=scale, currency=q.currency or currency) for q in bare]
    return scaled + (found if _OWN_SCALE.search(label) else [q for q in found if q not in bare])


def _agree(claim: Quantity, held: Quantity) -> bool:
    """Tell whether the passage's quantity is the claim's, exactly or rounded; a unit left out agrees with any."""
    if rounds_to(claim, held):
        return True
    if claim.unit == "year" and held.unit == "date":
        return claim.value == held.value // 10_000
    loose = not claim.unit or not held.unit
    return loose and not (claim.currency and held.currency) and claim.amount == held.amount


def _in_words(quantity: Quantity, spoken: frozenset[str], every: Sequence[Line]) -> bool:
    words = _WORDS_OF.get(int(quantity.value), "").split() if quantity.value == int(quantity.value) else []
    return any(word in spoken if word.isascii() else any(word in line.text for line in every) for word in words)
