"""What the passages hold of one claim, in numbers: the inputs of the verifiers that need no trained model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rag.amounts import missing_numbers, nearest, wanted_terms
from rag.checks import affirmed, ascii_figures, said, turned
from rag.numbers import Quantity, find_quantities
from rag.schema import Passage
from rag.support import Line, SentenceVectors, coverage, lines

CANDIDATES = 12  # lines of the passages embedded a claim
_FIGURE = re.compile(r"(?:(?<![\w)\]])-)?\d+(?:,\d{3})*(?:\.\d+)?", re.ASCII)
_MARKS = re.compile(r"[^\w#%]+")
_ECHO = 6  # characters from which a claim can be an echo


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for a claim, each in [0, 1] or a cosine; `missing` are its quantities that are not found.

    `line` and `passage`: share of the claim's words, by weight, in the best line and in all lines; `negated`: the lines
    that say the same are all of the other polarity.
    """

    verbatim: bool
    line: float
    passage: float
    cosine: float
    numbers: float
    negated: bool
    missing: tuple[Quantity, ...] = ()

    def features(self) -> dict[str, float]:
        """Return the inputs of the logistic."""
        return {"line": self.line, "passage": self.passage, "cosine": self.cosine, "numbers": self.numbers}


def measure(claim: str, passages: Sequence[Passage], vectors: SentenceVectors) -> Signals:
    """Measure what the passages hold of a claim."""
    claim = said(claim)
    same = echo(claim, [p.chunk.text for p in passages])
    if same:
        return Signals(same == "same", 1.0, 1.0, 1.0, float(same == "same"), same == "changed")
    stated = find_quantities(claim)
    wanted = wanted_terms(claim)
    every = lines(passages)
    if not every or not wanted:
        return Signals(False, 0.0, 0.0, 0.0, 0.0, False, tuple(stated))
    near, shares = nearest(claim, every)
    missing = missing_numbers(claim, near, shares)
    held = frozenset().union(*(line.terms for line in every))
    return Signals(
        verbatim=False,
        line=shares[near[0].text],
        passage=coverage(wanted, held),
        cosine=best_cosine(claim, near[:CANDIDATES], vectors),
        numbers=1.0 - len(missing) / len(stated) if stated else 1.0,
        negated=turned(claim, near[:CANDIDATES]),
        missing=tuple(missing),
    )


def best_cosine(claim: str, among: Sequence[Line], vectors: SentenceVectors) -> float:
    """Return the cosine of the claim, taken as a whole, and the nearest of some lines; 0 where there is none."""
    if not among:
        return 0.0
    made = vectors.of([claim, *(line.meaning for line in among)])
    return float((made[1:] @ made[0]).max())


def echo(claim: str, texts: Sequence[str]) -> Literal["same", "changed", ""]:
    """Tell whether the claim stands in a text letter for letter, or but for its figures or negating words.

    White space and punctuation do not count, nor does the way a figure is printed ("1,234" is "1234").
    """
    shape, bare, figures = _shape(claim), _shape(affirmed(claim)), _figures(claim)
    if len(shape) < _ECHO:
        return ""
    changed = False
    for text in texts:
        whole, printed = _shape(text), _figures(text)
        at = whole.find(shape)
        while at >= 0:
            first = whole.count("#", 0, at)
            if printed[first : first + len(figures)] == figures:
                return "same"
            changed, at = True, whole.find(shape, at + 1)
        changed = changed or (len(bare) >= _ECHO and bare in _shape(affirmed(text)))
    return "changed" if changed else ""


def _shape(text: str) -> str:
    return _MARKS.sub("", _FIGURE.sub("#", ascii_figures(text).lower()))


def _figures(text: str) -> list[Decimal]:
    return [Decimal(figure.replace(",", "")) for figure in _FIGURE.findall(ascii_figures(text))]
