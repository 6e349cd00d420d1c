"""The nouns of Consilium: frozen values that travel in one direction.

    bytes -> Document -> Chunk -> index -> Passage -> Answer (citations, figures) -> Verdict

Offsets are half-open and count Unicode code points. Scores grow with relevance, always. Ranks start at 1 and are the
`[n]` a reader sees. Confidences lie in [0, 1]. Nothing here does input or output, and nothing here imports a library.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

Scalar = str | int | float | bool | None
Metadata = Mapping[str, Scalar]
ChunkKind = Literal["prose", "table", "row"]
Label = Literal["supported", "contradicted", "not_enough_info"]
Change = Literal["added", "updated", "unchanged"]
_FIGURE_CELL = re.compile(r": [^A-Za-z\u2e80-\uffff]*$")  # "2022: $ (394,328)" at the end of a row's cell


def content_id(*parts: str | bytes) -> str:
    """Return 32 hex digits of the SHA-256 over the parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]


def _check_span(start: int, end: int, what: str) -> None:
    if not 0 <= start <= end:
        raise ValueError(f"{what}: need 0 <= start <= end, got start={start}, end={end}")


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell. `value` is the printed number without its scale: "1,234" in a table in millions is 1234.

    `name` is what the file calls the cell: the concept of its tag ("us-gaap:Revenues"), its address ("Income!B4").
    """

    text: str
    value: Decimal | None = None
    unit: str | None = None
    scale: int = 1
    currency: str | None = None
    period: str | None = None
    start: int = 0
    end: int = 0
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure, or a few words, that the maker of a document tagged (inline XBRL).

    `value` is the whole amount in `unit` ("USD", "USD/shares", "shares", "pure"), printed in powers of ten (`scale`).
    A duration has `period_start` and `period_end` (ISO dates), an instant the end alone. `dimensions` are pairs of
    axis and member. `document.text[start:end]` prints it; both 0: the text does not.
    """

    concept: str
    text: str
    value: Decimal | None = None
    unit: str | None = None
    scale: int = 0
    decimals: int | None = None
    period_start: str | None = None
    period_end: str | None = None
    dimensions: tuple[tuple[str, str], ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a document; `rows` include the `header_rows`. `periods[j]` belongs to column j.

    `document.text[start:end]` is the table written out, one self-describing line a row: caption, unit and scale, row
    label, then `column: value` pairs, so that no number is ever met without what it means.
    """

    caption: str
    rows: tuple[tuple[Cell, ...], ...]
    header_rows: int = 1
    unit: str | None = None
    scale: int = 1
    currency: str | None = None
    periods: tuple[str | None, ...] = ()
    page: int | None = None
    start: int = 0
    end: int = 0

    def __post_init__(self) -> None:
        _check_span(self.start, self.end, "Table")


@dataclass(frozen=True, slots=True)
class Document:
    """One ingested document. `page_starts[i]` is where page i + 1 begins in `text` (empty: the format has no pages)."""

    id: str
    text: str
    source: str
    title: str = ""
    language: str = "en"
    page_starts: tuple[int, ...] = ()
    tables: tuple[Table, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()

    @classmethod
    def of(cls, text: str, source: str, **fields: Any) -> Document:
        """Make a document whose id is the hash of its content (text, title and metadata; not of where it lay)."""
        metadata = fields.get("metadata") or {}
        parts = (str(fields.get("title", "")), *(f"{key}={metadata[key]!r}" for key in sorted(metadata)))
        return cls(id=content_id(text, *parts), text=text, source=source, **fields)

    def page_at(self, offset: int) -> int | None:
        """Return the 1-based page that holds `offset`, or None where the format has no pages."""
        return max(1, bisect_right(self.page_starts, offset)) if self.page_starts else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document: `document.text[start:end] == text`. The unit that is indexed and retrieved."""

    id: str
    doc_id: str
    text: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    kind: ChunkKind = "prose"
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_span(self.start, self.end, "Chunk")
        if self.end - self.start != len(self.text):
            raise ValueError(f"Chunk: end - start must be len(text) = {len(self.text)}, got {self.end - self.start}")

    @classmethod
    def of(cls, document: Document, start: int, end: int, **fields: Any) -> Chunk:
        """Cut `document.text[start:end]`, with page and id filled in."""
        text = document.text[start:end]
        fields.setdefault("page", document.page_at(start))
        return cls(content_id(document.id, str(start), text), document.id, text, start, end, **fields)

    @property
    def indexed_text(self) -> str:
        """What the lexical leg reads: the headings path, then the text."""
        return f"{' > '.join(self.headings)}\n{self.text}" if self.headings else self.text

    @property
    def embedded_text(self) -> str:
        """What the dense leg reads: of rows the caption and columns once, labels and words, no bare figures."""
        if self.kind != "row":
            return self.indexed_text
        lead, labels = "", []
        for line in self.text.split("\n"):
            lead, *cells = line.split(" | ")
            labels.append(" ".join(cell for cell in cells if not _FIGURE_CELL.search(cell)))
        told = (*self.headings, lead, str(self.metadata.get("columns") or ""), "; ".join(labels))
        return "\n".join(filter(None, told))


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk. `metadata` of the document is merged under that of the chunk by the index."""

    chunk: Chunk
    score: float
    rank: int
    retriever: str
    source: str = ""
    title: str = ""
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"Passage: rank starts at 1, got {self.rank}")


@dataclass(frozen=True, slots=True)
class Citation:
    """`answer.text[start:end]` is the cited sentence; `quote_*` a span of passage `rank`'s chunk."""

    start: int
    end: int
    rank: int
    quote_start: int
    quote_end: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in an answer: `answer.text[start:end] == text`. `rank` None: no cited passage has it, flagged.

    `value * scale` is the quantity in `unit`. `provenance` names the cell or span, or the formula.
    """

    text: str
    start: int
    end: int
    value: Decimal
    unit: str | None = None
    scale: int = 1
    rank: int | None = None
    quote_start: int = 0
    quote_end: int = 0
    provenance: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is shown. Markers `[n]` are not part of `text`; citations carry them, and each resolves to a passage."""

    question: str
    text: str
    passages: tuple[Passage, ...] = ()
    citations: tuple[Citation, ...] = ()
    figures: tuple[Figure, ...] = ()
    abstained: bool = False
    reason: str = ""
    model: str = ""
    settings_hash: str = ""
    confidence: float | None = None
    timings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ranks = {passage.rank for passage in self.passages}
        for cited in self.citations:
            _check_span(cited.start, cited.end, "Citation")
            if cited.rank not in ranks or cited.end > len(self.text):
                raise ValueError(f"Answer: citation {cited} does not resolve; ranks are {sorted(ranks)}")


@dataclass(frozen=True, slots=True)
class Claim:
    """One checked sentence: `answer.text[start:end]`."""

    start: int
    end: int
    label: Label
    confidence: float
    ranks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_span(self.start, self.end, "Claim")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"Claim: confidence must be in [0, 1], got {self.confidence}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """All claims of an answer as one verifier sees them."""

    claims: tuple[Claim, ...]
    verifier: str

    @property
    def faithfulness(self) -> float | None:
        """Share of supported claims in [0, 1]; None where there is no claim."""
        if not self.claims:
            return None
        return sum(claim.label == "supported" for claim in self.claims) / len(self.claims)


Message = Mapping[str, str]  # {"role": "system" | "user" | "assistant", "content": text}
Where = Mapping[str, Scalar | Sequence[Scalar]]  # every key must equal the value, or one of the values


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of a query beyond its words, for an index that can use it; no hint ever keeps a passage out.

    `expansions` are further words, each with a weight below 1: all words of one must be met. `boosts` are filters, each
    with the share of the score, together at most 1, that what matches it gets.
    """

    expansions: tuple[tuple[str, float], ...] = ()
    boosts: tuple[tuple[Where, float], ...] = ()


@runtime_checkable
class Embedder(Protocol):
    """Texts to vectors; LangChain's own method names, so any LangChain `Embeddings` fits. Results are array-like."""

    def embed_documents(self, texts: list[str]) -> Any:
        """Return an array-like of shape (len(texts), dimension)."""

    def embed_query(self, text: str) -> Any:
        """Return an array-like of shape (dimension,)."""


@runtime_checkable
class Retriever(Protocol):
    """Finds passages."""

    def retrieve(self, query: str, k: int, *, where: Where | None = None) -> list[Passage]:
        """Return at most k passages, best first, ranks 1..n, scores not increasing."""


@runtime_checkable
class Index(Retriever, Protocol):
    """A retriever that can be written to. Nothing is visible to other readers before `commit`."""

    def unchanged(self, source: str, fingerprint: str) -> bool:
        """Tell whether `source` is stored with this fingerprint (of its bytes and the way they are read)."""

    def add(self, document: Document, chunks: Sequence[Chunk], *, fingerprint: str = "") -> Change:
        """Store a document under `document.source`, replacing what that source held before."""

    def delete(self, doc_id: str) -> int:
        """Remove a document; return how many chunks went."""

    def delete_source(self, source: str) -> int:
        """Remove what `source` holds; return how many chunks went, 0 where it holds nothing."""

    def sources(self, prefix: str = "") -> list[str]:
        """Return the sources that start with `prefix`, those added since the last commit too."""

    def commit(self) -> None:
        """Make everything since the last commit durable and visible, or nothing of it."""

    def __len__(self) -> int:
        """Return the number of chunks."""


class Reranker(Protocol):
    """Orders passages anew by reading query and passage together."""

    def rerank(self, query: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most k passages, best first, ranks anew."""


class Generator(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The name stamped on answers."""

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield pieces of text; closing the iterator stops the model."""


class Verifier(Protocol):
    """Checks each sentence of an answer against the passages it cites."""

    def verify(self, answer: Answer) -> Verdict:
        """Return one claim a sentence."""
