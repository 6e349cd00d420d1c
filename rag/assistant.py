"""The story of a question: found, said, cited, checked.

The assistant knows neither files nor models; it is handed parts that fit the protocols of `rag.schema` by
`rag.assemble`. A question goes search -> extract (is there an answer at all?) -> speak -> cite -> verify.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Yielding
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

from rag import cite, prompt
from rag.domain import Preset
from rag.errors import GenerationError, UserError
from rag.extract import Draft, Extractor
from rag.language import detect_language, sentence_spans
from rag.question import Question
from rag.schema import (
    Answer,
    Cell,
    Citation,
    Document,
    Generator,
    Message,
    Passage,
    Retriever,
    Verdict,
    Verifier,
    Where,
)

MAX_QUESTION = 8_000
LONG = 20  # characters of a sentence that a model may not say twice


@dataclass(frozen=True, slots=True)
class Found:
    """First event of a stream: what the answer may draw on."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text as it comes; may still hold raw `[n]` markers of a model."""

    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Last event: the answer as it is to be shown, and the verdict on each of its sentences."""

    answer: Answer
    verdict: Verdict


Event = Found | Delta | Checked


@runtime_checkable
class Closeable(Protocol):
    """Anything to be closed."""

    def close(self) -> None:
        """Give back what is held open."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to answer: from `k` passages, within a prompt budget, in which language, with which domain's words.

    `follow_ups`: whether a question that leans on those before it is made whole for the search and the extractor.
    """

    k: int = 8
    context_tokens: int = 3000
    language: str = "auto"
    preset: Preset = field(default_factory=Preset)
    settings_hash: str = ""
    follow_ups: bool = True


class Assistant:
    """Answers questions from one index of documents.

    Args:
        search: finds passages; None when answers only ever draw on passages that are handed in.
        extractor: chooses verbatim sentences and says how sure it is that they answer.
        verifier: checks the sentences of an answer.
        generator: a language model to speak instead of the extractor; the extractor still decides whether to answer.
        manner: how to answer.
        document_of: gives a document by id, so that a figure can be traced to its cell.
        resources: things to close with the assistant.
    """

    def __init__(
        self,
        search: Retriever | None,
        extractor: Extractor,
        verifier: Verifier,
        *,
        generator: Generator | None = None,
        manner: Manner | None = None,
        document_of: Callable[[str], Document] | None = None,
        resources: Sequence[Closeable] = (),
    ) -> None:
        self._search = search
        self._extractor = extractor
        self._verifier = verifier
        self._generator = generator
        self.manner = manner or Manner()
        self._document_of = document_of
        self._resources = tuple(resources)

    @property
    def model(self) -> str:
        """Name of who speaks: "extractive" or the language model."""
        return self._generator.name if self._generator else "extractive"

    def search(self, query: str, k: int | None = None, where: Where | None = None) -> list[Passage]:
        """Return at most k passages for a query, best first.

        Raises:
            UserError: the query is empty, or there is no collection to search.
        """
        if self._search is None:
            raise UserError("There is no collection to search: open one, or hand in the passages.")
        return self._search.retrieve(_checked(query, "query"), k or self.manner.k, where=where)

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        where: Where | None = None,
        history: Sequence[Message] = (),
        passages: Sequence[Passage] | None = None,
    ) -> Checked:
        """Answer a question, with citations and verdict, or abstain. `passages` replace the search."""
        for event in self.stream(question, k=k, where=where, history=history, passages=passages):
            if isinstance(event, Checked):
                return event
        raise GenerationError("The answer ended before it was checked. Ask again.")

    def stream(
        self,
        question: str,
        *,
        k: int | None = None,
        where: Where | None = None,
        history: Sequence[Message] = (),
        passages: Sequence[Passage] | None = None,
    ) -> Iterator[Event]:
        """Yield `Found`, then `Delta`s while the answer is spoken, then `Checked`. Closing the iterator cancels."""
        question = _checked(question, "question")
        language = detect_language(question) if self.manner.language == "auto" else self.manner.language
        timings: dict[str, float] = {}
        with _timed(timings, "total"):
            with _timed(timings, "search"):
                leant_on = history if self.manner.follow_ups else ()
                query = Question.read(question, leant_on).text
                found = tuple(self.search(query, k, where) if passages is None else passages)
            yield Found(found)
            with _timed(timings, "extract"):
                draft = self._extractor.answer(question, found, leant_on)
            answer = Answer(question, "", found, model=self.model, settings_hash=self.manner.settings_hash)
            answer = replace(answer, confidence=draft.confidence)
            if draft.reason:
                answer = replace(answer, text=draft.reason, abstained=True, reason=draft.reason)
                yield Delta(draft.reason)
            else:
                with _timed(timings, "speak"):
                    text, citations = yield from self._speak(question, found, draft, history, language)
                answer = self._finish(answer, text, citations, language)
            with _timed(timings, "verify"):
                verdict = Verdict((), "none") if answer.abstained else self.check(answer)
        yield Checked(replace(answer, timings=timings), verdict)

    def check(self, answer: Answer) -> Verdict:
        """Verify each sentence of an answer against the passages it cites."""
        return self._verifier.verify(answer)

    def close(self) -> None:
        """Give back what the parts hold open."""
        for resource in self._resources:
            resource.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _speak(
        self, question: str, found: tuple[Passage, ...], draft: Draft, history: Sequence[Message], language: str
    ) -> Yielding[Event, None, tuple[str, tuple[Citation, ...]]]:
        """Say the answer, piece by piece; return its text without markers and its citations."""
        if self._generator is None:
            text, citations = cite.quote([(s.rank, s.start, s.end) for s in draft.spans], found)
            yield Delta(text)
            return text, citations
        spoken: list[str] = []
        conversation = prompt.messages(
            question,
            found,
            language=language,
            rules=self.manner.preset.rules(language),
            history=history,
            context_tokens=self.manner.context_tokens,
        )
        for piece in self._generator.stream(conversation):
            spoken.append(piece)
            yield Delta(piece)
            again = _repeats("".join(spoken))
            if again is not None:  # small models go in circles: what they say twice is not said better
                return cite.parse("".join(spoken)[:again], found)
        return cite.parse("".join(spoken), found)

    def _finish(self, answer: Answer, text: str, citations: tuple[Citation, ...], language: str) -> Answer:
        if prompt.abstains(text):
            reason = _MODEL_REFUSED[language].format(model=self.model)
            return replace(answer, text=reason, abstained=True, reason=reason)
        figures = cite.trace(text, citations, answer.passages, self._cell_at)
        return replace(answer, text=text, citations=citations, figures=figures)

    def _cell_at(self, doc_id: str, offset: int) -> Cell | None:
        """Return the table cell of a document that covers an offset, if the document is at hand."""
        if self._document_of is None:
            return None
        for table in self._document_of(doc_id).tables:
            if table.start <= offset < table.end:
                return next((c for row in table.rows for c in row if c.start <= offset < c.end), None)
        return None


_MODEL_REFUSED = {
    "en": "The documents do not answer this: {model} read the passages found and declined.",
    "zh": "文档中没有答案：{model} 阅读了找到的段落后拒绝作答。",
}


def _repeats(text: str) -> int | None:
    """Return where the last whole sentence starts, if it was said before; short ones may be."""
    spans = sentence_spans(text)
    if len(spans) < 3:
        return None
    start, end = spans[-2]
    said = {text[a:b] for a, b in spans[:-2]}
    return start if end - start >= LONG and text[start:end] in said else None


def _checked(text: str, what: str) -> str:
    text = text.strip()
    if not text:
        raise UserError(f"The {what} is empty. Write at least one word.")
    if len(text) > MAX_QUESTION and what == "question":
        raise UserError(f"The question has {len(text):,} characters; at most {MAX_QUESTION:,} are read. Shorten it.")
    return text


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds spent inside to `timings[name]`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[name] = time.perf_counter() - start
