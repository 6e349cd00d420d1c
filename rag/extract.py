"""Verbatim sentences that answer a question, and how sure it is that they do.

Each candidate line of the passages is scored by meaning (cosine of sentence vectors), by the weight of the question's
terms it holds, by its passage, and by whether it holds the kind of thing asked for. The best one is taken, further
ones only when nearly as good and not saying the same again. Whether the passages answer at all is a probability of
its own, from a logistic over a few readable signals; below a threshold the answer is withheld with a plain reason.

It does not reason, add up or rephrase; a question whose answer is spread over many passages gets the nearest ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.language import Language
from rag.question import Question, missing_words
from rag.schema import Embedder, Message, Passage
from rag.support import Line, SentenceVectors, coverage, lines, logistic, term_set, vectors_for

CANDIDATES = 24  # lines embedded a question: bounds the time of an answer

# Weights of a line's score, by language of the question.
SCORE: Mapping[Language, Mapping[str, float]] = {
    "en": {"cosine": 1.0, "terms": 0.35, "passage": 0.25, "rank": 0.1, "kind": 0.1, "row": 0.35},
    "zh": {"cosine": 0.15, "terms": 1.0, "passage": 0.3, "rank": 0.1, "kind": 0.1, "row": 0.35},
}
NEAR = 0.9  # a further line must reach this share of the best score
REPEATS = 0.6  # share of a line's terms already said that makes it a repetition

# Logistic constants of "the passages answer the question".
CONFIDENCE: Mapping[Language, Mapping[str, float]] = {
    "en": {"bias": -5.0, "cosine": 5.0, "terms": 2.0, "passage": 3.0, "keys": 1.0},
    "zh": {"bias": -4.0, "terms": 4.0, "passage": 4.0, "keys": 1.0},
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
    cosines: tuple[float, ...]
    held: Mapping[int, frozenset[str]]  # terms of each passage, with title and headings

    @classmethod
    def of(cls, asked: Question, passages: Sequence[Passage], vectors: SentenceVectors) -> _Reading:
        """Score the most promising lines of the passages."""
        held = {p.rank: passage_terms(p) for p in passages}
        beside = {rank: coverage(asked.terms, terms) for rank, terms in held.items()}
        every = lines(passages)
        pool = [line for line in every if line.kind in ("sentence", "row")] or every
        weights = SCORE[asked.language]

        def cheap(line: Line) -> float:
            first = weights["rank"] / line.rank + weights["passage"] * beside[line.rank]
            said = coverage(asked.terms, line.terms)
            if line.kind == "row":
                said += weights["row"] * (coverage(term_set(line.label), asked.terms) - 0.5)
            return first + weights["terms"] * said + weights["kind"] * asked.satisfied_by(line)

        rough = {line.text: cheap(line) for line in pool}
        pool = sorted(pool, key=lambda line: -rough[line.text])[:CANDIDATES]
        if not pool:
            return cls(asked, (), (), (), held)
        made = vectors.of([asked.text, *(line.meaning for line in pool)])
        cosines = (made[1:] @ made[0]).tolist()
        scored = sorted(
            ((rough[line.text] + weights["cosine"] * cos, cos, line) for line, cos in zip(pool, cosines, strict=True)),
            key=lambda item: -item[0],
        )
        return cls(asked, tuple(i[2] for i in scored), tuple(i[0] for i in scored), tuple(i[1] for i in scored), held)

    def signals(self) -> dict[str, float]:
        """Return what speaks for the passages answering, each in [0, 1] or a cosine."""
        best, asked = self.lines[0], self.asked
        return {
            "cosine": max(self.cosines),
            "terms": coverage(asked.terms, best.terms),
            "passage": coverage(asked.terms, self.held[best.rank]),
            "keys": coverage(asked.keys, self.held[best.rank]) if asked.keys else 1.0,
            "kind": float(asked.satisfied_by(best)),
        }

    def choose(self, most: int) -> tuple[Span, ...]:
        """Return the best line and those nearly as good that say something else, in passage and reading order."""
        taken: list[Span] = []
        said: frozenset[str] = frozenset()
        for line, score in zip(self.lines, self.scores, strict=True):
            if len(taken) == most or (taken and score < NEAR * self.scores[0]):
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
