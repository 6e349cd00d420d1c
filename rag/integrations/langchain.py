"""LangChain both ways: Consilium as retriever, runnable, vector store and embeddings; LangChain documents read here.

A LangChain `Embeddings` needs no adapter: by its method names it is an `rag.schema.Embedder`. A LangChain chat model
speaks through `rag.generate.LangChainGenerator`. The vector store is in `langchain_vectors`, and can be had from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rag.errors import UserError, require
from rag.language import detect_language
from rag.schema import Document, Passage, Retriever, Scalar, Where

require("langchain_core", extra="langchain")

from langchain_core.callbacks import CallbackManagerForRetrieverRun  # noqa: E402
from langchain_core.documents import Document as LangChainDocument  # noqa: E402
from langchain_core.retrievers import BaseRetriever  # noqa: E402
from langchain_core.runnables import Runnable, RunnableLambda  # noqa: E402

from rag.integrations.langchain_vectors import ConsiliumEmbeddings, ConsiliumVectorStore  # noqa: E402

if TYPE_CHECKING:
    from rag.assistant import Assistant, Checked

__all__ = [
    "ConsiliumEmbeddings",
    "ConsiliumRetriever",
    "ConsiliumVectorStore",
    "as_retriever",
    "as_runnable",
    "from_langchain",
    "to_langchain",
]


class Searchable(Protocol):
    """What an assistant is to a retriever."""

    def search(self, query: str, k: int | None = None, where: Where | None = None) -> list[Passage]:
        """Return at most k passages, best first."""


def to_langchain(passage: Passage) -> LangChainDocument:
    """Return a passage as a LangChain document: where it stands and how it was found are in its metadata."""
    chunk = passage.chunk
    metadata = {
        **passage.metadata,
        "source": passage.source,
        "title": passage.title,
        "doc_id": chunk.doc_id,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "headings": list(chunk.headings),
        "kind": chunk.kind,
        "rank": passage.rank,
        "score": passage.score,
    }
    return LangChainDocument(id=chunk.id, page_content=chunk.text, metadata=metadata)


def from_langchain(document: LangChainDocument) -> Document:
    """Return a LangChain document, as loaders make them, as one of ours: ready to be chunked and added to an index.

    `source` and `title` of its metadata become fields, other scalars stay metadata, what is nested is dropped.
    """
    metadata = document.metadata
    plain = {k: v for k, v in metadata.items() if isinstance(v, Scalar) and k not in ("source", "title")}
    text = document.page_content
    return Document.of(
        text,
        str(metadata.get("source") or document.id or "langchain"),
        title=str(metadata.get("title") or ""),
        language=detect_language(text),
        metadata=plain,
    )


class ConsiliumRetriever(BaseRetriever):
    """Passages of an assistant or an index as LangChain documents.

    Attributes:
        source: an `Assistant`, or anything with `retrieve(query, k, where=...)`, such as a `Collection`.
        k: how many; `invoke(query, k=...)` overrides it.
        where: metadata filter; `invoke(query, where=...)` overrides it.
    """

    source: Any
    k: int = 8
    where: dict[str, Any] | None = None

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        where: dict[str, Any] | None = None,
    ) -> list[LangChainDocument]:
        count, chosen = self.k if k is None else k, self.where if where is None else where
        if isinstance(self.source, Retriever):
            found = self.source.retrieve(query, count, where=chosen)
        else:
            found = self.source.search(query, count, chosen)
        return [to_langchain(passage) for passage in found]


def as_retriever(
    source: Searchable | Retriever, *, k: int = 8, where: dict[str, Any] | None = None
) -> ConsiliumRetriever:
    """Return an assistant or an index as a LangChain retriever."""
    return ConsiliumRetriever(source=source, k=k, where=where)


def as_runnable(assistant: Assistant) -> Runnable[str | dict[str, Any], dict[str, Any]]:
    """Return an assistant as a LangChain runnable: a question, or {"question", "history"?, "where"?, "k"?}, in.

    Out comes {"question", "answer", "abstained", "reason", "confidence", "model", "faithfulness",
    "sentences": [{"text", "start", "end", "label", "confidence", "citations": [n]}],
    "citations": [{"start", "end", "rank", "quote", "source", "page"}], "passages": [LangChain documents]}.
    """

    def ask(asked: str | dict[str, Any]) -> dict[str, Any]:
        given = {"question": asked} if isinstance(asked, str) else dict(asked)
        unknown = set(given) - {"question", "history", "where", "k"}
        if unknown or "question" not in given:
            raise UserError(f"A question is a text or a dict with question, history, where, k; got {sorted(given)}.")
        return _record(assistant.ask(given.pop("question"), **given))

    return RunnableLambda(ask, name="consilium")


def _record(checked: Checked) -> dict[str, Any]:
    answer, verdict = checked.answer, checked.verdict
    by_rank = {passage.rank: passage for passage in answer.passages}
    citations = [
        {
            "start": cited.start,
            "end": cited.end,
            "rank": cited.rank,
            "quote": by_rank[cited.rank].chunk.text[cited.quote_start : cited.quote_end],
            "source": by_rank[cited.rank].source,
            "page": by_rank[cited.rank].chunk.page,
        }
        for cited in answer.citations
    ]
    sentences = [
        {
            "text": answer.text[claim.start : claim.end],
            "start": claim.start,
            "end": claim.end,
            "label": claim.label,
            "confidence": claim.confidence,
            "citations": list(claim.ranks),
        }
        for claim in verdict.claims
    ]
    return {
        "question": answer.question,
        "answer": answer.text,
        "abstained": answer.abstained,
        "reason": answer.reason,
        "confidence": answer.confidence,
        "model": answer.model,
        "faithfulness": verdict.faithfulness,
        "sentences": sentences,
        "citations": citations,
        "passages": [to_langchain(passage) for passage in answer.passages],
    }
