"""A drafted question, the document it is drafted from, and the words both languages need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

from rag.language import Language, detect_language
from rag.schema import Chunk, Document, content_id

KINDS = ("table", "cell", "heading", "sentence", "unanswerable")
"""Figure of a period · other cell · what is under a heading · a sentence with a definition or figure · no answer."""

_COMPANY_EN = re.compile(
    r"^(?P<name>[A-Z0-9][^:(]{1,50}?(?:Co\., Inc\.|Inc\.|Corp\.|Co\.|Ltd\.|plc|Company|Corporation|Group|Bank))"
    r"(?=[:,’' ]|$)"
)
_COMPANY_ZH = re.compile(
    r"^(?P<name>[^，。：《》、的]{2,30}?有限(?:责任)?公司|[^，。：《》、的]{2,12}?(?:集团|银行))(?!股份|有限)"
)
_NO_TITLE = re.compile(r"(?:united states|form \S+|table of contents|untitled|contents|目录)$", re.IGNORECASE)
_DOLLARS = re.compile(r"amounts are (?:in )?(?:United States|U\.?S\.?) dollars", re.IGNORECASE)
_YUAN = re.compile(r"币种[:：]\s*人民币|单位[:：]\s*人民币")
_COMMON = re.compile(
    r"(?:net|total|gross|operating|cost|income|revenue|other|current|cash|long-term|short-term|the|an?)\b",
    re.IGNORECASE,
)
_SMALL = re.compile(r"(?:of|and|or|the|to|in|for|by|on|with|from|at|before|after|per|an?|less|net)\b", re.IGNORECASE)


class Shelf(Protocol):
    """A collection, as far as drafting reads it; `rag.store.Collection` is one."""

    def documents(self) -> list[dict[str, Any]]:
        """Return one dict a document, with its id."""

    def document(self, doc_id: str) -> Document:
        """Return a document whole."""

    def chunks(self, doc_id: str) -> list[Chunk]:
        """Return its chunks in order."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One question for a person to correct. `evidence` is verbatim text of `chunk`.

    `subject` and `period` stand in the question and can be exchanged; `asked` is what is asked about, and of what.
    """

    kind: str
    question: str
    references: tuple[str, ...]
    chunk: Chunk
    evidence: str
    answer_type: str = "free"
    exact: tuple[str, ...] = ()
    subject: str = ""
    period: str = ""
    asked: tuple[str, str] = ("", "")
    answerable: bool = True
    made_from: str = ""

    def record(self, page: Page, drafted_by: str) -> dict[str, Any]:
        """Return it in our answers format, with what a person needs to correct it."""
        given = {"exact_answer": list(self.exact)} if self.exact else {}
        return {
            "id": f"draft-{content_id(page.document.source, self.question)[:12]}",
            "question": self.question,
            "references": list(self.references),
            "answerable": self.answerable,
            "answer_type": self.answer_type,
            **given,
            "gold_passages": [self.chunk.id] if self.answerable else [],
            "language": detect_language(self.question),
            "domain": str(page.document.metadata.get("domain") or "general"),
            "drafted": True,
            "drafted_by": drafted_by,
            "reviewed": False,
            "kind": self.kind,
            "source": page.document.source,
            "title": page.document.title,
            "page": self.chunk.page,
            "evidence": self.evidence,
            **({"made_from": self.made_from} if self.made_from else {}),
        }


@dataclass(frozen=True, slots=True)
class Page:
    """A document and its chunks, as drafting reads them."""

    document: Document
    chunks: tuple[Chunk, ...]
    company: str = ""

    @classmethod
    def of(cls, shelf: Shelf, doc_id: str) -> Page:
        """Read a document of a collection."""
        document = shelf.document(doc_id)
        pattern = _COMPANY_ZH if document.language == "zh" else _COMPANY_EN
        found = pattern.match(document.title)
        return cls(document, tuple(shelf.chunks(doc_id)), found["name"] if found else "")

    @property
    def language(self) -> Language:
        """The language its questions are asked in."""
        return "zh" if self.zh else "en"

    @property
    def zh(self) -> bool:
        """Whether its questions are asked in Chinese."""
        return self.document.language == "zh"

    @property
    def currency(self) -> str | None:
        """The currency the document says its amounts are in, where it says so in words."""
        if _DOLLARS.search(self.document.text):
            return "USD"
        return "CNY" if _YUAN.search(self.document.text) else None

    @property
    def named(self) -> bool:
        """Whether it has a title that a question can name, not the stem of a file."""
        title = self.document.title
        named = bool(title) and title != PurePath(self.document.source).stem and not _NO_TITLE.match(title)
        return named and len(title) <= 110

    def chunk_at(self, offset: int) -> Chunk | None:
        """Return the chunk that holds a character of the document."""
        return next((chunk for chunk in self.chunks if chunk.start <= offset < chunk.end), None)


def according(page: Page, question: str, part: str = "") -> str:
    """Return a question that names the document it is to be answered from, and the part of it if need be."""
    title = page.document.title
    if not page.named:
        return f"{question[0].upper()}{question[1:]}"
    if detect_language(question) == "zh":
        return f"根据《{title}》{f'（{part}）' if part else ''}，{question}"
    return f"According to “{title}”{f' ({part})' if part else ''}, {question}"


def decapitalised(page: Page, text: str) -> str:
    """Return text fit for the middle of a sentence: "Net sales" -> "net sales"; names and acronyms stay.

    A word by itself may be a name ("Verizon 2022"): it is written small where the document does so too, or where it
    ends as common nouns do ("Contraindications").
    """
    head, *rest = text.split(" ")
    if rest and _COMMON.fullmatch(head):
        return f"{text[0].lower()}{text[1:]}"
    if not re.fullmatch(r"[A-Z][a-z-]*,?", head) or re.search(rf"[a-z,(] {head}\b", page.document.text):
        return text
    if any(word[:1].isupper() and not _SMALL.fullmatch(word) for word in rest):
        return text
    if not rest and re.fullmatch(r".*(?:[^ius]s|tion|ment|ity)", head):
        return text.lower()
    beside = any(re.fullmatch(r"[a-z]{3,}[,)]?", word) for word in rest)
    known = beside or re.search(rf"\b{re.escape(head.strip(',').lower())}\b", page.document.text)
    return f"{text[0].lower()}{text[1:]}" if known else text


def were(label: str) -> str:
    """Return "were" for a plural English noun phrase, else "was"."""
    head = re.split(r" (?:of|by|from|for|to|in|at|before|after|used|provided|per)\b|[(]|, net\b", label)[0].split(
        " – "
    )[-1]
    last = head.strip(" ,").split(" ")[-1].lower()
    return "were" if last.endswith("s") and not last.endswith(("ss", "us", "is")) else "was"


def unique(drafts: Sequence[Draft]) -> list[Draft]:
    """Return drafts whose question is asked once: with two answers it is ambiguous, with one it is a repetition."""
    answers: dict[str, set[tuple[str, ...]]] = {}
    kept: dict[str, Draft] = {}
    for one in drafts:
        key = re.sub(r"\W+", " ", one.question).casefold()
        answers.setdefault(key, set()).add(one.references)
        kept.setdefault(key, one)
    return [one for key, one in kept.items() if len(answers[key]) == 1]
