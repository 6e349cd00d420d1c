"""What a question set is made of: examples, the texts they are answered from, and those texts as passages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.language import detect_language
from rag.schema import Chunk, Document, Message, Passage

_PAGE = re.compile(r"(?P<name>.+?)#p?(?P<page>\d+)")
_FILE = re.compile(r"\.(?:pdf|html?|docx?|xlsx?|md|txt|csv)\b", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_]{2,}|\d+[^\W\d_]+")  # a word, or a name such as 3M


@dataclass(frozen=True, slots=True)
class Context:
    """A text that a question is to be answered from. `title` says what it is part of, `page` counts from 1."""

    id: str
    text: str
    title: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One question. `contexts` None: answered from a collection; a tuple (even empty): from these texts alone.

    `exact` is the short answer where the set has one, `scale` the word or sentence a reference number is in. `extra`
    keeps every field of the record that has no other place, `response` (somebody's answer, never a reference) too.
    """

    id: str
    question: str
    references: tuple[str, ...]
    answerable: bool
    contexts: tuple[Context, ...] | None = None
    history: tuple[Message, ...] = ()
    gold_passages: tuple[str, ...] = ()
    language: str = "en"
    domain: str = "general"
    answer_type: str = "free"
    exact: tuple[str, ...] = ()
    scale: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """The questions of one file and the format it was read as."""

    name: str
    format: str
    examples: tuple[Example, ...]

    @property
    def drafted(self) -> int:
        """How many questions a template or a model drafted and nobody has reviewed."""
        return drafted(self.examples)


def drafted(examples: Sequence[Example]) -> int:
    """Return how many of the questions are drafted and unreviewed: no figure over them is worth more than they are."""
    return sum(bool(example.extra.get("drafted")) and not example.extra.get("reviewed") for example in examples)


def passages_of(contexts: Sequence[Context]) -> list[Passage]:
    """Return given texts as passages in their order, each the one chunk of a document of its own.

    Source is the context's id, title its title or the name its id holds. All scores are 1: nothing searched for them,
    so nothing ranks them.
    """
    passages = []
    for rank, context in enumerate(contexts, 1):
        title, language = context.title or title_of(context.id), detect_language(context.text)
        document = Document.of(context.text, context.id, title=title, language=language)
        chunk = Chunk.of(document, 0, len(context.text), page=context.page)
        metadata = {"context": context.id}
        passages.append(Passage(chunk, 1.0, rank, "given", source=context.id, title=title, metadata=metadata))
    return passages


def title_of(key: str) -> str:
    """Return the name of a document that an id holds ("ACME_2022_10K#p7" is of ACME 2022 10K), or "" for a bare id.

    Only ids with a page behind "#" and names or paths of files are read so; others ("p0", a hash) name nothing.
    """
    paged = _PAGE.fullmatch(key)
    if not paged and not _FILE.search(key):
        return ""
    name = paged["name"] if paged else key[: _file_end(key)]
    words = re.split(r"[\s/\\_]+", _FILE.sub("", name))
    return " ".join(word for word in words if word) if any(_NAME.search(word) for word in words) else ""


def _file_end(key: str) -> int:
    found = _FILE.search(key)
    return found.end() if found else len(key)
