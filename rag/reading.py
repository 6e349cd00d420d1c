"""The lines of the passages read against one question: each scored, and the signals of whether they answer at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.language import Language
from rag.question import YEAR, Question
from rag.schema import Passage
from rag.support import (
    HAN_CHARS,
    Floats,
    Line,
    SentenceVectors,
    coverage,
    lines,
    row_parts,
    surroundings,
    term_set,
    weight,
)
from rag.versions import LINE_FACTOR, is_set_back, lowered

CANDIDATES = 24  # lines embedded a question: bounds the time of an answer
FULL_LENGTH = 20  # words (Han characters) from which a line is no fragment; telling terms of a long question
FAR = 0.35  # cosine below which no line is about the question: 2 % of the answerable, 90 % of 224 off-topic ones
SHORT = 6  # telling terms up to which a rare word must be met

# Weights of a line's score, by language of the question: chosen by hand among trials on bioasq, xquad and cmrc2018,
# seen on fold train and fold dev alike (411 / 237, 405 / 103, 819 / 330 questions), 2026-11-22; `kind`, `label` and
# `off_year` were then set on the sample documents.
SCORE: Mapping[Language, Mapping[str, float]] = {
    "en": {
        "cosine": 1.0,
        "terms": 0.1,
        "rare": 0.4,
        "shared": 0.35,
        "centre": 0.3,
        "kind": 0.25,
        "rank": 0.3,
        "short": 0.2,
        "label": 0.6,
        "off_year": -0.6,
    },
    "zh": {
        "terms": 0.3,
        "rare": 0.7,
        "beside": 0.3,
        "shared": 0.3,
        "kind": 0.25,
        "rank": 0.3,
        "short": 0.1,
        "label": 1.0,
        "off_year": -0.6,
    },
}


def passage_terms(passage: Passage) -> frozenset[str]:
    """Return the terms of a passage with its title, source name and headings."""
    return surroundings(passage) | term_set(passage.chunk.text)


@dataclass(frozen=True, slots=True)
class Reading:
    """The candidate lines of one question with their scores, best first."""

    asked: Question
    lines: tuple[Line, ...]
    scores: tuple[float, ...]
    cosine: float  # of the line nearest to the question
    held: Mapping[int, frozenset[str]]  # terms of each passage, with title and headings
    around: frozenset[str] = frozenset()  # terms of the best line, its neighbours, title and headings
    astray: bool = False  # no document speaks of what a dose or a figure is asked of

    @classmethod
    def of(cls, asked: Question, passages: Sequence[Passage], vectors: SentenceVectors) -> Reading:
        """Score the most promising lines of the passages."""
        held = {p.rank: passage_terms(p) for p in passages}
        every = lines(passages)
        pool = [line for line in every if line.kind in ("sentence", "row")] or every
        if not pool:
            return cls(asked, (), (), 0.0, held)
        meant = _meant(asked, passages, held)
        pool = [line for line in pool if line.rank in meant] or pool
        weights = SCORE[asked.language]
        rough = [sum(weights.get(k, 0.0) * v for k, v in row.items()) for row in _word_signals(asked, pool, held)]
        chosen = sorted(range(len(pool)), key=lambda i: -rough[i])[:CANDIDATES]
        made = vectors.of([asked.text, *(pool[i].meaning for i in chosen)])
        cosines = made[1:] @ made[0]
        centres = _centres(made[1:], cosines, [pool[i].rank for i in chosen])
        scores = [
            rough[i] + weights.get("cosine", 0.0) * float(cosine) + weights.get("centre", 0.0) * float(centre)
            for i, cosine, centre in zip(chosen, cosines, centres, strict=True)
        ]
        older = {p.rank for p in passages if is_set_back(p.metadata, asked.text)}
        scores = [lowered(s, LINE_FACTOR) if pool[i].rank in older else s for i, s in zip(chosen, scores, strict=True)]
        order = sorted(range(len(chosen)), key=lambda j: -scores[j])
        best_first = tuple(pool[chosen[j]] for j in order)
        at = every.index(best_first[0])
        around = [line.terms for line in every[max(0, at - 1) : at + 2] if line.rank == best_first[0].rank]
        heads = [surroundings(p) for p in passages if p.rank == best_first[0].rank]
        near = frozenset().union(*around, *heads)
        astray = best_first[0].rank not in meant
        return cls(asked, best_first, tuple(scores[j] for j in order), float(cosines.max()), held, near, astray)

    def signals(self) -> dict[str, float]:
        """Return what speaks for and against the passages answering, each in [0, 1] or a cosine."""
        asked, best = self.asked, self.lines[0]
        there, anywhere = self.held[best.rank], frozenset().union(*self.held.values())
        lost = asked.names_lost(anywhere)
        other_year = float(asked.wants == "quantity" and not asked.years <= there)
        return {
            "cosine": self.cosine,
            "far": float(self.cosine < FAR),
            "passage": coverage(asked.terms, there),
            "length": min(len(asked.terms), FULL_LENGTH) / FULL_LENGTH,
            "kind": float(asked.satisfied_by(best)),
            "chance": float(asked.barely_met(self.around)),
            "lost": float(lost),
            "strange": float(len(asked.terms) <= SHORT and not lost and asked.strange_lost(anywhere)),
            "off": float(bool(asked.subject) and not asked.subject & self.around),
            "other_year": other_year * (0.5 if asked.years <= anywhere else 1.0),
            "apart": float(asked.names_lost(there)),
            "astray": float(self.astray),
        }


def _meant(asked: Question, passages: Sequence[Passage], held: Mapping[int, frozenset[str]]) -> set[int]:
    """Return the ranks of the passages that may answer for what is asked about; none where no document speaks of it.

    Passages that hold it all themselves, else those of a document of which the passages found do. Several names that
    stand in no document together are compared: then those that hold one of them.
    """
    own = {rank for rank, terms in held.items() if asked.is_about(terms)}
    if own:
        return own
    whole: dict[str, frozenset[str]] = {}
    for p in passages:
        whole[p.chunk.doc_id] = whole.get(p.chunk.doc_id, frozenset()) | held[p.rank]
    if found := {p.rank for p in passages if asked.is_about(whole[p.chunk.doc_id])}:
        return found
    compared = len(asked.about) > 1 and set(asked.about) <= set(asked.names)
    if compared and asked.is_about(frozenset().union(*held.values())):
        return {rank for rank, terms in held.items() if any(name & terms for name in asked.about)}
    return set()


def _word_signals(
    asked: Question, pool: Sequence[Line], held: Mapping[int, frozenset[str]]
) -> Iterator[dict[str, float]]:
    """Yield what words and place say of each line, each in [0, 1] ("short" in [-1, 0])."""
    spread = Counter(term for terms in held.values() for term in terms)
    inside: dict[int, list[Line]] = {}
    for line in pool:
        inside.setdefault(line.rank, []).append(line)
    rarity = {rank: _rarity(asked.terms, own) for rank, own in inside.items()}
    before: Line | None = None
    for line in pool:
        weights = rarity[line.rank]
        whole = math.fsum(weights.values())
        near = before.terms if before is not None and before.rank == line.rank else frozenset()
        others = math.fsum(weight(term) * (spread[term] - 1) for term in line.terms) / max(len(held) - 1, 1)
        words = len(line.text.split()) + len(HAN_CHARS.findall(line.text))
        yield {
            "terms": coverage(asked.terms, line.held),
            "rare": math.fsum(weights[term] for term in asked.terms & line.held) / whole if whole else 0.0,
            "beside": coverage(asked.terms, line.held | near),
            **_row_signals(asked, line),
            "shared": others / (math.fsum(map(weight, line.terms)) or 1.0),
            "kind": float(asked.satisfied_by(line)),
            "rank": 1.0 / line.rank,
            "short": min(words / FULL_LENGTH, 1.0) - 1.0,
        }
        before = line


def _row_signals(asked: Question, line: Line) -> dict[str, float]:
    """Return how well a row's label is what is asked for, and whether the year asked for is none of its columns."""
    if line.kind != "row":
        return {"label": 0.0, "off_year": 0.0}
    caption, label, columns = row_parts(line.text)
    own = term_set(label) if columns else frozenset()  # a row without column names does not describe itself
    named = coverage(own, asked.terms | line.context)  # is the whole label asked for?
    wanted = asked.terms - line.context - asked.years
    told = coverage(wanted, own | term_set(f"{caption} {columns}")) if wanted else 1.0  # is all asked for there?
    dated = any(YEAR.fullmatch(term) for term in line.terms)
    match = 2 * named * told / (named + told) if named and told and own & asked.terms else 0.0
    return {
        "label": match or (-0.5 if asked.wants == "quantity" and own and not own & asked.terms else 0.0),
        "off_year": float(dated and bool(asked.years) and not asked.years <= line.terms),
    }


def _rarity(wanted: frozenset[str], own: Sequence[Line]) -> dict[str, float]:
    """Return how telling a wanted term is inside one passage: weight * ln((lines + 1) / (lines with it + 0.5))."""
    count = Counter(term for line in own for term in line.held & wanted)
    return {term: weight(term) * math.log((len(own) + 1) / (count[term] + 0.5)) for term in wanted}


def _centres(made: Floats, cosines: Floats, ranks: Sequence[int]) -> Floats:
    """Return each line's cosine to the mean of the other passages' lines, those near the question counting more."""
    pull = made * (np.maximum(cosines, 0.0) ** 2)[:, None]
    own = np.stack([pull[[rank == other for other in ranks]].sum(axis=0) for rank in ranks])
    rest = pull.sum(axis=0) - own
    norm = np.linalg.norm(rest, axis=1)
    found: Floats = np.where(norm > 1e-6, (made * rest).sum(axis=1) / np.maximum(norm, 1e-6), 0.0)
    return found
