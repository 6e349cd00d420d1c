"""Settings to Assistant: the only place that chooses who does what. Every import of weight happens in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag import shelf
from rag.assistant import Assistant, Closeable, Manner
from rag.domain import load_preset
from rag.embed import open_embedder
from rag.explain import Asked, Explained, explain
from rag.extract import Extractor
from rag.rerank import open_reranker
from rag.retrieve import Search
from rag.schema import Embedder, Generator, Reranker, Retriever, Where
from rag.settings import Settings
from rag.shelf import collection_path
from rag.store import Collection
from rag.terms import Terminology
from rag.understand import Understanding
from rag.verify import SentenceVerifier, open_verifier

if TYPE_CHECKING:
    from rag.integrations.milvus import MilvusCollection


def embedder_of(settings: Settings) -> Embedder:
    """Return the embedder the settings name; nothing is loaded before the first text."""
    chosen = settings.embed
    return open_embedder(
        chosen.model,
        cache=settings.cache,
        device=chosen.device,
        batch_tokens=chosen.batch_tokens,
        threads=chosen.threads,
    )


def generator_of(settings: Settings) -> Generator | None:
    """Return the language model the settings name, or None for the extractive answerer."""
    llm = settings.llm
    if llm.name == "extractive" and llm.url is None:
        return None
    from rag.generate import open_generator

    return open_generator(
        llm.name,
        url=llm.url,
        api_key=llm.api_key.get_secret_value() if llm.api_key else None,
        temperature=llm.temperature,
        max_tokens=llm.max_tokens,
        timeout=llm.timeout,
        cache=settings.cache,
    )


def verifier_of(settings: Settings, embedder: Embedder, name: str | None = None) -> SentenceVerifier:
    """Return the verifier that is named, else the one of the settings; `embedder` is the settings' own.

    A judge without a `verify.url` asks the server of `llm`.
    """
    chosen, llm = settings.verify, settings.llm
    key = chosen.api_key if chosen.url else chosen.api_key or llm.api_key
    return open_verifier(
        name or chosen.name,
        embedder=embedder,
        device=chosen.device,
        url=chosen.url or llm.url,
        api_key=key.get_secret_value() if key else None,
        timeout=chosen.timeout,
    )


def open_collection(
    settings: Settings, name: str | None = None, *, writable: bool = False, embedder: Embedder | None = None
) -> Collection | MilvusCollection:
    """Open the collection that is named, else the one of the settings; made when `writable` and not there yet.

    Raises:
        UnknownCollectionError: it does not exist and is not to be written.
    """
    path = collection_path(settings.collections, name or settings.collection)
    embedder = embedder or embedder_of(settings)
    collection: Collection | MilvusCollection
    if settings.store.uri:
        from rag.integrations.milvus import MilvusCollection

        uri, token = _milvus(settings)
        collection = MilvusCollection.open(uri, path.name, embedder, writable=writable, create=writable, token=token)
    else:
        collection = Collection.open(path, embedder, writable=writable, create=writable)
    collection.dense_weight = settings.retrieve.dense_weight
    return collection


def list_collections(settings: Settings) -> list[dict[str, Any]]:
    """Return one row a collection: name, documents, chunks, generation, embedder, path (where the settings keep it)."""
    if not settings.store.uri:
        return shelf.list_collections(settings.collections)
    from rag.integrations import milvus

    return milvus.list_collections(*_milvus(settings))


def delete_collection(settings: Settings, name: str) -> None:
    """Delete a collection with everything in it, where the settings keep it.

    Raises:
        UnknownCollectionError: it does not exist.
        LockedError: it is being written.
    """
    if not settings.store.uri:
        shelf.delete_collection(settings.collections, name)
        return
    from rag.integrations import milvus

    uri, token = _milvus(settings)
    milvus.delete_collection(uri, name, token)


def _milvus(settings: Settings) -> tuple[str, str]:
    token = settings.store.token
    return settings.store.uri or "", token.get_secret_value() if token else ""


def understanding_of(settings: Settings) -> Understanding:
    """Return how the settings want queries understood.

    Raises:
        UserError: a file of `retrieve.terms_files` cannot be read, or a line of it is wrong.
    """
    chosen = settings.retrieve
    terms = Terminology.load(chosen.terms_files) if chosen.terms else None
    return Understanding(terms, companies=chosen.companies, periods=chosen.periods)


def reranker_of(settings: Settings) -> Reranker | None:
    """Return the reranker the settings name, None for "off"; nothing is loaded before the first query."""
    chosen = settings.retrieve
    return open_reranker(
        chosen.rerank,
        cache=settings.cache,
        device=settings.embed.device,
        most=chosen.rerank_k,
        budget_ms=chosen.rerank_ms,
    )


def search_of(settings: Settings, index: Retriever) -> Search:
    """Return the way from a query to passages of an index, as the settings want it."""
    chosen = settings.retrieve
    return Search(
        index,
        reranker=reranker_of(settings),
        rerank_k=chosen.rerank_k,
        mode=chosen.mode,
        fetch_k=chosen.fetch_k,
        understanding=understanding_of(settings),
        closeness=chosen.closeness,
    )


def explanation(
    settings: Settings,
    index: Collection | MilvusCollection,
    query: str,
    k: int,
    where: Where | None = None,
    search: Search | None = None,
) -> Explained:
    """Return what becomes of a query at each step of the search that the settings want.

    `search` shares one that is loaded already; it must be `search_of` the same settings and index.

    Raises:
        UserError: the query is empty, k is less than 1, or `where` cannot be looked up.
    """
    chosen = settings.retrieve
    reader = "" if chosen.rerank == "off" else chosen.rerank
    asked = Asked(query, k, where or {}, mode=chosen.mode, fetch_k=chosen.fetch_k, reranker=reader)
    return explain(search or search_of(settings, index), index, asked)


def assemble(
    settings: Settings,
    *,
    collection: str | None = None,
    without_collection: bool = False,
    embedder: Embedder | None = None,
) -> Assistant:
    """Return an assistant over one collection, or over none: it then answers from passages handed in.

    `embedder` shares one that is loaded already; it must be the one the settings name.
    """
    embedder = embedder or embedder_of(settings)
    manner = Manner(
        k=settings.retrieve.k,
        context_tokens=settings.llm.context_tokens,
        language=settings.language,
        preset=load_preset(settings.domain),
        settings_hash=settings.hash(),
        follow_ups=settings.retrieve.follow_ups,
    )
    extractor = Extractor(embedder, sentences=settings.answer.sentences, min_confidence=settings.answer.min_confidence)
    verifier = verifier_of(settings, embedder)
    generator = generator_of(settings)
    open_parts = (generator,) if isinstance(generator, Closeable) else ()
    if without_collection:
        return Assistant(None, extractor, verifier, generator=generator, manner=manner, resources=open_parts)
    index = open_collection(settings, collection, embedder=embedder)
    return Assistant(
        search_of(settings, index),
        extractor,
        verifier,
        generator=generator,
        manner=manner,
        document_of=index.document,
        resources=(*open_parts, index),
    )
