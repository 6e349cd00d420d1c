"""What the passages hold of one claim, in numbers: the inputs of the verifiers that need no trained model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from rag.amounts import BESIDE, CLOSE, SAME, missing_numbers, nearest, wanted_terms, without
from rag.checks import affirmed, ascii_figures, missing_dates, missing_names, name_spans, said, turned
from rag.language import has_han, latin_terms, words
from rag.numbers import find_quantities
from rag.schema import Passage
from rag.support import Line, SentenceVectors, coverage, lines, term_set, weight

CANDIDATES = (
    3  # lines embedded a claim, those that hold most of its words; 12 measure 0.002 better, at a third the speed
)
_ALIKE = 6  # lines looked through for one that says the same with the other polarity
_FIGURE = re.compile(r"(?:(?<![\w)\]])-)?\d+(?:,\d{3})*(?:\.\d+)?", re.ASCII)
_HERE = "\ue000"  # in place of a figure: a sign no text holds
_MARKS = re.compile(rf"[^\w%{_HERE}]+")
_ECHO = 6  # characters from which a claim can be an echo
_AHEAD = 4  # terms of a claim after each one that are looked for together with it
_ENOUGH = 4  # other terms by which a line is known to say the same
_HALF = 0.5  # from where a strange name is one put in the place of another
_WITHIN = 8  # terms between which they must stand in a line


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for a claim, each in [0, 1] or a cosine; `missing` are its quantities and dates that are not found.

    `strange` its names that are not (looked for where a line says half of the claim). `line` and `passage`: share of
    the claim's words, by weight, in the best line and in all lines; `order`: share of its pairs of near words that
    stand near each other in the same order in some line; `negated`: the lines that say the same are all of the other
    polarity.
    """

    verbatim: bool
    line: float
    passage: float
    order: float
    cosine: float
    negated: bool
    missing: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()

    def features(self) -> dict[str, float]:
        """Return the inputs of the logistic."""
        return {"line": self.line, "passage": self.passage, "order": self.order, "cosine": self.cosine}


def measure(claim: str, passages: Sequence[Passage], vectors: SentenceVectors) -> Signals:
    """Measure what the passages hold of a claim."""
    texts = [p.chunk.text for p in passages]
    as_written, claim = claim, said(claim)
    same = echo(as_written, texts) or echo(claim, texts)
    if same:
        return Signals(same == "same", 1.0, 1.0, 1.0, 1.0, same == "changed")
    wanted = wanted_terms(claim)
    every = lines(passages)
    if not every or not wanted:
        return Signals(False, 0.0, 0.0, 0.0, 0.0, False, tuple(q.text for q in find_quantities(claim)))
    near, shares = nearest(claim, every)
    missing = [q.text for q in missing_numbers(claim, near, shares)]
    held = frozenset().union(*(line.terms for line in every))
    return Signals(
        verbatim=False,
        line=shares[near[0].text],
        passage=coverage(wanted, held),
        order=in_order(claim, every),
        cosine=best_cosine(claim, near[:CANDIDATES], vectors),
        negated=turned(claim, near[:_ALIKE]),
        missing=(*missing, *(found.group() for found in missing_dates(claim, texts))),
        strange=_strange(claim, texts, near, shares),
    )


def _strange(claim: str, texts: Sequence[str], near: Sequence[Line], shares: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names of a claim the passages do not hold.

    Where a line says the same but for names, they must stand in that line or one as near: no name of another line.
    """
    best = shares[near[0].text]
    spans = list(name_spans(claim))
    if best < _HALF or not spans:
        return ()
    named = frozenset().union(*(term_set(claim[start:end]) for start, end in spans))
    rest = wanted_terms(claim) - named
    same = len(rest) >= _ENOUGH and coverage(rest, near[0].terms) >= SAME
    told = best >= CLOSE if has_han(claim) else same and coverage(near[0].terms, wanted_terms(claim)) >= CLOSE
    if told:
        texts = [line.text for line in near if shares[line.text] >= best - BESIDE]
    return tuple(claim[start:end] for start, end in missing_names(claim, texts)[0])


def in_order(claim: str, every: Sequence[Line]) -> float:
    """Return the share of pairs (a term, one of the next four) that a line holds in that order within eight terms.

    By the weight of the lighter term; quantities are left out. 1 for a claim of one term. "A beats B" and "B beats A"
    share all terms and few pairs.
    """
    terms = _sequence(without(claim, find_quantities(claim)))
    pairs = [(a, b) for i, a in enumerate(terms) for b in terms[i + 1 : i + 1 + _AHEAD]]
    if not pairs:
        return 1.0
    wanted = frozenset(terms)
    read = [_places(line.text) for line in every]
    read = [place for place in read if len(wanted & place.keys()) > 1]
    weights = [min(weight(a), weight(b)) for a, b in pairs]
    found = (any(_follows(place.get(a, ()), place.get(b, ())) for place in read) for a, b in pairs)
    total = sum(weights)
    return sum(w for w, held in zip(weights, found, strict=True) if held) / total if total else 1.0


def _follows(first: Sequence[int], second: Sequence[int]) -> bool:
    return any(0 < b - a <= _WITHIN for a in first for b in second)


@lru_cache(maxsize=4096)
def _places(text: str) -> Mapping[str, Sequence[int]]:
    """Return where each term of a line stands in it."""
    found: dict[str, list[int]] = {}
    for place, term in enumerate(_sequence(text)):
        found.setdefault(term, []).append(place)
    return found


def _sequence(text: str) -> list[str]:
    """Return the terms in the order they are said; of Chinese the dictionary's words."""
    return words(text) if has_han(text) else latin_terms(text)


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
    shape, bare, figures = _shapes(claim)
    if len(shape) < _ECHO:
        return ""
    changed = False
    for text in texts:
        whole, positive, printed = _shapes(text)
        at = whole.find(shape)
        while at >= 0:
            first = whole.count(_HERE, 0, at)
            if printed[first : first + len(figures)] == figures:
                return "same"
            changed, at = True, whole.find(shape, at + 1)
        changed = changed or (len(bare) >= _ECHO and bare in positive)
    return "changed" if changed else ""


@lru_cache(maxsize=1024)
def _shapes(text: str) -> tuple[str, str, list[Decimal]]:
    """Return the bare letters with a sign for each figure, the same without negating words, and the figures."""
    plain = ascii_figures(text)
    figures = [Decimal(figure.replace(",", "")) for figure in _FIGURE.findall(plain)]
    whole = _FIGURE.sub(_HERE, plain.lower())
    return _MARKS.sub("", whole), _MARKS.sub("", affirmed(whole)), figures
