"""A collection as a LangChain vector store, and our embedders as LangChain embeddings."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rag.errors import UserError, require
from rag.language import detect_language
from rag.schema import Chunk, Document, Embedder, Passage, Scalar, content_id

require("langchain_core", extra="langchain")

from langchain_core.documents import Document as LangChainDocument  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_core.vectorstores import VectorStore  # noqa: E402
from langchain_core.vectorstores.utils import maximal_marginal_relevance  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from rag.retrieve import Mode
    from rag.store import Collection


_SOURCE = "langchain/"
"""Texts added here are documents of their own whose source is this and the text's id."""
_NESTED = "langchain_nested"
"""Key of stored metadata that holds, as JSON, the values that are no scalars."""


class ConsiliumEmbeddings(Embeddings):
    """Any of our embedders as LangChain embeddings: plain lists of floats."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text."""
        return [[float(x) for x in row] for row in self.embedder.embed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return [float(x) for x in self.embedder.embed_query(text)]


class ConsiliumVectorStore(VectorStore):
    """A collection as a LangChain vector store. Each text is one document of one chunk, known by its LangChain id.

    Adding a text under an id that is there replaces it. Every call that writes ends in a commit, so add many at once.
    Searching is hybrid unless told otherwise: `mode="dense"` compares vectors alone, as most vector stores do. Passages
    of documents that `consilium ingest` put into the collection are found, too.

    Args:
        collection: opened writable if it is to be written.
        embedder: the one the collection was opened with.
        mode: which legs search: "hybrid", "lexical" or "dense".
    """

    def __init__(self, collection: Collection, embedder: Embedder, *, mode: Mode = "hybrid") -> None:
        self.collection = collection
        self._embedder = embedder
        self._mode: Mode = mode

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: Path | str | None = None,
        mode: Mode = "hybrid",
        **kwargs: Any,
    ) -> Self:
        """Return a store over a collection at `path`, made when it is not there; None: a temporary one."""
        from rag.store import Collection

        folder = Path(path or Path(tempfile.mkdtemp(prefix="consilium-")) / "langchain")
        embedder = embedding.embedder if isinstance(embedding, ConsiliumEmbeddings) else embedding
        collection = Collection.open(folder, embedder, writable=True, create=True)
        store = cls(collection, embedder, mode=mode)
        weakref.finalize(store, _close, collection, None if path else folder.parent)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @property
    def embeddings(self) -> Embeddings:
        """The collection's embedder."""
        return self._embedder if isinstance(self._embedder, Embeddings) else ConsiliumEmbeddings(self._embedder)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add or replace texts; return their ids, new ones where none were given.

        Raises:
            UserError: not as many metadatas or ids as texts.
        """
        wanted = list(texts)
        for name, given in (("metadatas", metadatas), ("ids", ids)):
            if given is not None and len(given) != len(wanted):
                raise UserError(f"{len(wanted)} texts need as many {name}, got {len(given)}.")
        known = [given or str(uuid.uuid4()) for given in ids or repeat(None, len(wanted))]
        for text, metadata, name in zip(wanted, metadatas or repeat({}), known, strict=False):
            document = _document(text, metadata, name)
            self.collection.add(document, [Chunk.of(document, 0, len(text))])
        self.collection.commit()
        return known

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete texts by id, unknown ones silently; None deletes every text that was added by LangChain."""
        for source in self.collection.sources(_SOURCE) if ids is None else [_SOURCE + name for name in ids]:
            self.collection.delete_source(source)
        self.collection.commit()
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """Return the texts of these ids, in their order; unknown ids are left out."""
        found = []
        for name in ids:
            document = self.collection.document_of_source(_SOURCE + name)
            if document is not None:
                found.append(_restored(name, document.text, document.metadata))
        return found

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[LangChainDocument]:
        """Return at most k texts, best first. `filter` or `where`: metadata that must match."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """Return at most k texts with scores, larger is better: fused in [0, 1], BM25, or cosine, by the mode."""
        passages = self.collection.retrieve(query, k, where=_where(kwargs), mode=kwargs.get("mode", self._mode))
        return [(_found(passage), passage.score) for passage in passages]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[LangChainDocument]:
        """Return at most k texts, nearest by cosine first."""
        passages = self.collection.retrieve_vector(np.asarray(embedding, np.float32), k, where=_where(kwargs))
        return [_found(passage) for passage in passages]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[LangChainDocument]:
        """Return k of the best fetch_k texts that are near the query and unlike each other."""
        found = self.similarity_search(query, fetch_k, **kwargs)
        if not found:
            return []
        vectors = list(np.asarray(self._embedder.embed_documents([document.page_content for document in found])))
        chosen = maximal_marginal_relevance(np.asarray(self._embedder.embed_query(query)), vectors, lambda_mult, k)
        return [found[at] for at in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """BM25 s becomes s / (1 + s); fused scores and cosines stay, cut to [0, 1]."""
        if self._mode == "lexical":
            return lambda score: score / (1.0 + score)
        return lambda score: min(1.0, max(0.0, score))


def _document(text: str, metadata: Mapping[str, Any], name: str) -> Document:
    plain = {key: value for key, value in metadata.items() if isinstance(value, Scalar)}
    nested = {key: value for key, value in metadata.items() if key not in plain}
    if nested:
        plain[_NESTED] = json.dumps(nested, ensure_ascii=False, default=str)
    title = str(metadata.get("title") or "")
    return Document(
        content_id("langchain", name), text, _SOURCE + name, title=title, language=detect_language(text), metadata=plain
    )


def _restored(name: str, text: str, metadata: Mapping[str, Any]) -> LangChainDocument:
    plain = dict(metadata)
    nested = json.loads(plain.pop(_NESTED, "{}"))
    return LangChainDocument(id=name, page_content=text, metadata=plain | nested)


def _found(passage: Passage) -> LangChainDocument:
    name = passage.source.removeprefix(_SOURCE) if passage.source.startswith(_SOURCE) else passage.chunk.id
    return _restored(name, passage.chunk.text, passage.metadata)


def _where(given: Mapping[str, Any]) -> dict[str, Any] | None:
    return given.get("where") or given.get("filter")


def _close(collection: Collection, scratch: Path | None) -> None:
    collection.close()
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
