"""Verbatim sentences that answer a question, and how sure it is that they do.

Each candidate line of the passages is scored by meaning (cosine of sentence vectors), by the weight of the question's
terms it holds, by its passage, and by whether it holds the kind of thing asked for. The best one is taken, further
ones only when nearly as good and not saying the same again. Whether the passages answer at all is a probability of
its own, from a logistic over a few readable signals; below a threshold the answer is withheld with a plain reason.

It does not reason, add up or rephrase; a question whose answer is spread over many passages gets the nearest ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.language import Language
from rag.question import Question, missing_words
from rag.schema import Embedder, Message, Passage
from rag.support import (
    HAN_CHARS,
    Floats,
    Line,
    SentenceVectors,
    coverage,
    lines,
    logistic,
    term_set,
    vectors_for,
    weight,
)

CANDIDATES = 24  # lines embedded a question: bounds the time of an answer
FULL_LENGTH = 20  # words (Han characters) from which a line is no fragment; telling terms of a long question
NEAR, NEAR_WIDE = 0.95, 0.85  # share of the best score a further line must reach; the second for "how", "why", "list"
REPEATS = 0.5  # share of a line's terms already said that makes it a repetition

# Weights of a line's score, by language of the question. Searched by coordinates on fold train and seen on fold dev of
# bioasq (411 / 237 questions, ROUGE), xquad (405 / 103), cmrc2018 (819 / 330, the line holds the answer); 2026-11-22.
SCORE: Mapping[Language, Mapping[str, float]] = {
    "en": {
        "cosine": 1.0,
        "terms": 0.1,
        "rare": 0.4,
        "shared": 0.35,
        "centre": 0.3,
        "kind": 0.1,
        "rank": 0.3,
        "short": 0.2,
    },
    "zh": {"terms": 0.3, "rare": 0.7, "beside": 0.3, "shared": 0.3, "kind": 0.1, "rank": 0.3, "short": 0.1},
}

# Logistic constants of "the passages answer the question", fitted set by set in balance on fold train, 2026-11-22: gold
# contexts, their unanswerable twins, questions over top-8 passages with and without the gold one or of another
# collection, and (half weight) questions with a telling word swapped. The bias is then raised by 0.8, a prior of 0.69
# answerable. `lost` and `apart` are set by hand: better to refuse than to answer about another company or year.
CONFIDENCE: Mapping[Language, Mapping[str, float]] = {
    "en": {"bias": -4.85, "cosine": 4.65, "passage": 4.84, "length": 1.45, "lost": -2.0, "apart": -1.0},
    "zh": {"bias": -4.44, "passage": 8.65, "kind": 0.84, "length": 0.95, "lost": -2.0, "apart": -1.0},
}

_REASON: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "empty": "There is nothing to look for in this question. Ask about something the documents may hold.",
        "none": "The documents do not say: nothing was found for this question.",
        "missing": "The documents do not say: nothing found mentions {terms}.",
        "thin": "The documents do not say: the passages found are near the question but do not answer it.",
    },
    "zh": {
        "empty": "这个问题里没有可以查找的内容。请就文档可能涉及的内容提问。",
        "none": "文档中没有答案：没有找到与该问题相关的段落。",
        "missing": "文档中没有找到提及{terms}的依据。",
        "thin": "文档中没有找到足以回答该问题的依据：找到的段落相近，但没有回答。",
    },
}


@dataclass(frozen=True, slots=True)
class Span:
    """A chosen line: `chunk.text[start:end]` of passage `rank`; a larger score is better."""

    rank: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Draft:
    """What the extractor would say. `reason` is set, and `spans` empty, when it abstains."""

    spans: tuple[Span, ...]
    confidence: float
    reason: str = ""


def passage_terms(passage: Passage) -> frozenset[str]:
    """Return the terms of a passage with its title, source name and headings."""
    chunk = passage.chunk
    return term_set(" ".join((passage.title, passage.source, *chunk.headings))) | term_set(chunk.text)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The candidate lines of one question with their scores, best first."""

    asked: Question
    lines: tuple[Line, ...]
    scores: tuple[float, ...]
    cosine: float  # of the line nearest to the question
    held: Mapping[int, frozenset[str]]  # terms of each passage, with title and headings

    @classmethod
    def of(cls, asked: Question, passages: Sequence[Passage], vectors: SentenceVectors) -> _Reading:
        """Score the most promising lines of the passages."""
        held = {p.rank: passage_terms(p) for p in passages}
        every = lines(passages)
        pool = [line for line in every if line.kind in ("sentence", "row")] or every
        if not pool:
            return cls(asked, (), (), 0.0, held)
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
        order = sorted(range(len(chosen)), key=lambda j: -scores[j])
        best_first = tuple(pool[chosen[j]] for j in order)
        return cls(asked, best_first, tuple(scores[j] for j in order), float(cosines.max()), held)

    def signals(self) -> dict[str, float]:
        """Return what speaks for and against the passages answering, each in [0, 1] or a cosine."""
        asked, best = self.asked, self.lines[0]
        there, anywhere = self.held[best.rank], frozenset().union(*self.held.values())
        return {
            "cosine": self.cosine,
            "passage": coverage(asked.terms, there),
            "length": min(len(asked.terms), FULL_LENGTH) / FULL_LENGTH,
            "kind": float(asked.satisfied_by(best)),
            "lost": float(asked.names_lost(anywhere)),
            "apart": float(asked.names_lost(there)),
        }

    def choose(self, most: int) -> tuple[Span, ...]:
        """Return the best line and those nearly as good that say something else, in passage and reading order."""
        taken: list[Span] = []
        said: frozenset[str] = frozenset()
        floor = (NEAR_WIDE if self.asked.wide else NEAR) * self.scores[0]
        for line, score in zip(self.lines, self.scores, strict=True):
            if len(taken) == most or (taken and score < floor):
                break
            if taken and len(line.terms & said) >= REPEATS * len(line.terms):
                continue
            taken.append(Span(line.rank, line.start, line.end, score))
            said |= line.terms
        return tuple(sorted(taken, key=lambda span: (span.rank, span.start)))

    def why_not(self) -> str:
        """Say why there is no answer, naming the question's telling words that no passage holds."""
        reasons = _REASON[self.asked.language]
        everywhere = frozenset().union(*self.held.values())
        missing = missing_words(self.asked, everywhere)
        if not missing:
            return reasons["thin"]
        mark = "、" if self.asked.language == "zh" else ", "
        return reasons["missing"].format(terms=mark.join(missing))


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
        whole = sum(weights.values())
        near = before.terms if before is not None and before.rank == line.rank else frozenset()
        others = sum(weight(term) * (spread[term] - 1) for term in line.terms) / max(len(held) - 1, 1)
        words = len(line.text.split()) + len(HAN_CHARS.findall(line.text))
        yield {
            "terms": coverage(asked.terms, line.terms),
            "rare": sum(weights[term] for term in asked.terms & line.terms) / whole if whole else 0.0,
            "beside": coverage(asked.terms, line.terms | near),
            "shared": others / (sum(map(weight, line.terms)) or 1.0),
            "kind": float(asked.satisfied_by(line)),
            "rank": 1.0 / line.rank,
            "short": min(words / FULL_LENGTH, 1.0) - 1.0,
        }
        before = line


def _rarity(wanted: frozenset[str], own: Sequence[Line]) -> dict[str, float]:
    """Return how telling a wanted term is inside one passage: weight * ln((lines + 1) / (lines with it + 0.5))."""
    count = Counter(term for line in own for term in line.terms & wanted)
    return {term: weight(term) * math.log((len(own) + 1) / (count[term] + 0.5)) for term in wanted}


def _centres(made: Floats, cosines: Floats, ranks: Sequence[int]) -> Floats:
    """Return each line's cosine to the mean of the other passages' lines, those near the question counting more."""
    pull = made * (np.maximum(cosines, 0.0) ** 2)[:, None]
    own = np.stack([pull[[rank == other for other in ranks]].sum(axis=0) for rank in ranks])
    rest = pull.sum(axis=0) - own
    norm = np.linalg.norm(rest, axis=1)
    found: Floats = np.where(norm > 1e-6, (made * rest).sum(axis=1) / np.maximum(norm, 1e-6), 0.0)
    return found


class Extractor:
    """Chooses verbatim sentences from passages, or abstains.

    Args:
        embedder: texts to vectors.
        sentences: most sentences of an answer.
        min_confidence: an answer less likely than this to be one is withheld.
    """

    def __init__(self, embedder: Embedder, *, sentences: int = 3, min_confidence: float = 0.5) -> None:
        self._vectors = vectors_for(embedder)
        self._sentences = sentences
        self._min_confidence = min_confidence

    def answer(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> Draft:
        """Return the sentences that answer best in passage and reading order, or the reason for saying nothing."""
        asked = Question.read(question, history)
        reasons = _REASON[asked.language]
        if not asked.terms:
            return Draft((), 0.0, reasons["empty"])
        found = _Reading.of(asked, passages, self._vectors)
        if not found.lines:
            return Draft((), 0.0, reasons["none"])
        confidence = logistic(found.signals(), CONFIDENCE[asked.language])
        if confidence < self._min_confidence:
            return Draft((), confidence, found.why_not())
        return Draft(found.choose(self._sentences), confidence)
