from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("langchain_tests")

from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests

from rag.assistant import Checked
from rag.errors import UserError
from rag.integrations.langchain import (
    ConsiliumEmbeddings,
    ConsiliumRetriever,
    ConsiliumVectorStore,
    as_retriever,
    as_runnable,
    from_langchain,
)
from rag.schema import Answer, Chunk, Citation, Claim, Document, Embedder, Passage, Verdict
from rag.store import Collection

TEXTS = [
    "Aspirin thins the blood.",
    "Net sales rose to 394 million.",
    "糖尿病患者应控制饮食。",
    "Tides follow the moon.",
]


class WordEmbeddings(Embeddings):
    """LangChain embeddings in which texts with equal letters are near each other."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = np.full(64, 1e-3)
        for char in text.lower():
            vector[ord(char) % 64] += 1
        return [float(x) for x in vector / np.linalg.norm(vector)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConsiliumVectorStore]:
    embedder = WordEmbeddings()
    with Collection.open(tmp_path / "c", embedder, writable=True, create=True) as collection:
        yield ConsiliumVectorStore(collection, embedder)


class TestVectorStoreHybrid(VectorStoreIntegrationTests):
    mode = "hybrid"

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        embedder = self.get_embeddings()
        with Collection.open(tmp_path / "c", embedder, writable=True, create=True) as collection:
            yield ConsiliumVectorStore(collection, embedder, mode=self.mode)  # type: ignore[arg-type]


class TestVectorStoreDense(TestVectorStoreHybrid):
    mode = "dense"


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _filled(self, store: ConsiliumVectorStore) -> None:
        store.add_texts(TEXTS)
        self._collection = store.collection

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return ConsiliumRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"source": self._collection}

    @property
    def retriever_query_example(self) -> str:
        return "How much were net sales?"


def test_any_langchain_embeddings_are_an_embedder_and_ours_are_langchains() -> None:
    theirs = DeterministicFakeEmbedding(size=6)
    assert isinstance(theirs, Embedder)
    ours = ConsiliumEmbeddings(theirs)
    assert ours.embed_documents(["a", "b"])[0] == pytest.approx(theirs.embed_query("a"))
    assert all(type(x) is float for x in ours.embed_query("a"))


def test_metadata_comes_back_whole_and_scalars_filter(store: ConsiliumVectorStore) -> None:
    metadata = {"year": 2022, "share": 0.5, "final": True, "none": None, "tags": ["a", "b"], "nested": {"x": [1]}}
    store.add_texts(["net sales", "net sales"], [metadata, {"year": 2021}], ids=["new", "old"])
    (found,) = store.similarity_search("net sales", k=5, filter={"year": 2022})
    assert found == LangChainDocument(id="new", page_content="net sales", metadata=metadata)
    assert store.get_by_ids(["old", "new", "nobody"])[1].metadata == metadata


def test_better_texts_score_higher_and_scores_stay_in_bounds(store: ConsiliumVectorStore) -> None:
    store.add_texts(TEXTS)
    for mode in ("hybrid", "lexical", "dense"):
        found = store.similarity_search_with_score("net sales", k=4, mode=mode)
        assert found[0][0].page_content == TEXTS[1]
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        rated = ConsiliumVectorStore(store.collection, WordEmbeddings(), mode=mode)
        for _, relevance in rated.similarity_search_with_relevance_scores("net sales", k=4):
            assert 0 <= relevance <= 1


def test_search_by_vector_finds_the_text_of_that_vector(store: ConsiliumVectorStore) -> None:
    store.add_texts(TEXTS)
    (best,) = store.similarity_search_by_vector(WordEmbeddings().embed_query(TEXTS[2]), k=1)
    assert best.page_content == TEXTS[2]


def test_marginal_relevance_prefers_what_is_new(store: ConsiliumVectorStore) -> None:
    store.add_texts(["net sales rose", "net sales rose.", "net sales fell to zero in the third quarter"])
    found = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "lambda_mult": 0.2}).invoke("net sales rose")
    assert found[-1].page_content.startswith("net sales fell")


def test_two_ids_may_hold_the_same_text_and_go_one_by_one(store: ConsiliumVectorStore) -> None:
    store.add_texts(["same", "same"], ids=["1", "2"])
    store.delete(["1"])
    assert [found.id for found in store.similarity_search("same")] == ["2"]
    store.delete()
    assert store.similarity_search("same") == []


def test_not_as_many_ids_as_texts_adds_nothing(store: ConsiliumVectorStore) -> None:
    with pytest.raises(UserError, match="2 texts"):
        store.add_texts(["a", "b"], ids=["1"])
    assert len(store.collection) == 0


def test_a_store_made_from_texts_can_be_opened_again(tmp_path: Path) -> None:
    first = ConsiliumVectorStore.from_texts(TEXTS, WordEmbeddings(), ids=["a", "b", "c", "d"], path=tmp_path / "kept")
    first.collection.close()
    with Collection.open(tmp_path / "kept", WordEmbeddings()) as collection:
        again = ConsiliumVectorStore(collection, WordEmbeddings())
        assert again.similarity_search("糖尿病", k=1)[0].id == "c"


def test_a_store_without_a_path_leaves_nothing_behind() -> None:
    store = ConsiliumVectorStore.from_texts(TEXTS, ConsiliumEmbeddings(WordEmbeddings()))
    folder = store.collection.path.parent
    assert store.similarity_search("糖尿病", k=1)[0].page_content == TEXTS[2]
    assert folder.is_dir()
    del store
    assert not folder.exists()


def test_a_retriever_tells_where_each_passage_stands(store: ConsiliumVectorStore) -> None:
    document = Document.of("Front page.\nNet sales were 394.", "report.pdf", title="Report", page_starts=(0, 12))
    store.collection.add(document, [Chunk.of(document, 12, 31, headings=("Results",))])
    store.collection.commit()
    (found,) = as_retriever(store.collection, k=1).invoke("net sales")
    assert found.page_content == "Net sales were 394."
    wanted = {"source": "report.pdf", "title": "Report", "page": 2, "start": 12, "end": 31, "headings": ["Results"]}
    assert wanted.items() <= found.metadata.items()
    assert as_retriever(store.collection, where={"year": 2022}).invoke("net sales") == []


class Oracle:
    """An assistant that knows one sentence."""

    def __init__(self) -> None:
        document = Document.of("Paris is the capital.", "atlas.md")
        chunk = Chunk.of(document, 0, len(document.text))
        self.passage = Passage(chunk, 1.0, 1, "hybrid", source="atlas.md")
        self.asked: list[dict[str, Any]] = []

    def search(self, query: str, k: int | None = None, where: Any = None) -> list[Passage]:
        self.asked.append({"query": query, "k": k, "where": where})
        return [self.passage]

    def ask(self, question: str, **given: Any) -> Checked:
        self.asked.append({"question": question, **given})
        cited = (Citation(0, 6, 1, 0, 5),)
        answer = Answer(question, "Paris.", (self.passage,), cited, model="oracle", confidence=0.9)
        return Checked(answer, Verdict((Claim(0, 6, "supported", 0.8, (1,)),), "oracle"))


def test_a_runnable_answers_with_citations_that_quote_the_passages() -> None:
    found = as_runnable(Oracle()).invoke("What is the capital?")  # type: ignore[arg-type]
    assert found["answer"] == "Paris."
    (cited,) = found["citations"]
    assert cited == {"start": 0, "end": 6, "rank": 1, "quote": "Paris", "source": "atlas.md", "page": None}
    (sentence,) = found["sentences"]
    assert sentence["label"] == "supported"
    assert found["faithfulness"] == 1.0
    assert found["passages"][0].page_content == "Paris is the capital."


async def test_a_runnable_takes_a_conversation_and_runs_in_chains() -> None:
    oracle = Oracle()
    history = [{"role": "user", "content": "Hello"}]
    chain = as_runnable(oracle) | (lambda found: found["answer"].upper())  # type: ignore[arg-type]
    assert await chain.ainvoke({"question": "And?", "history": history, "k": 3}) == "PARIS."
    assert oracle.asked == [{"question": "And?", "history": history, "k": 3}]
    with pytest.raises(UserError, match="history"):
        await chain.ainvoke({"input": "And?"})


def test_an_assistant_is_a_retriever_too() -> None:
    oracle = Oracle()
    assert as_retriever(oracle, k=3, where={"year": 2022}).invoke("capital")[0].metadata["source"] == "atlas.md"
    assert oracle.asked == [{"query": "capital", "k": 3, "where": {"year": 2022}}]


def test_documents_of_langchain_loaders_become_ours() -> None:
    loaded = LangChainDocument(
        page_content="糖尿病患者应控制饮食。", metadata={"source": "a.txt", "title": "T", "page": 3, "tags": ["x"]}
    )
    document = from_langchain(loaded)
    assert (document.text, document.source, document.title) == (loaded.page_content, "a.txt", "T")
    assert document.language == "zh"
    assert document.metadata == {"page": 3}
    assert from_langchain(LangChainDocument(page_content="x", id="7")).source == "7"
