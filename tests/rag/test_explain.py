"""A search explained tells what the search did: its own order, scores that add up, what was understood."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.explained import explained_json, explained_words
from rag.errors import UserError
from rag.explain import Asked, Explained, explain, matches
from rag.language import Language
from rag.retrieve import Search
from rag.schema import Passage, Where
from rag.store import Collection
from rag.terms import Terminology
from rag.testing import TEXTS, FakeEmbedder, document
from rag.understand import Understanding, Understood


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as index:
        for year, (source, text) in enumerate(TEXTS.items(), start=2020):
            index.add(*document(text, source, year=year, organisation="Acme" if year == 2022 else ""))
        index.commit()
        yield index


@pytest.fixture
def search(collection: Collection) -> Search:
    return Search(collection, understanding=Understanding(Terminology.load()))


def test_the_last_order_is_what_the_search_returns(collection: Collection, search: Search) -> None:
    for query in ("kidneys and the heart", "糖尿病的药物", "net sales of Acme in 2022"):
        found = explain(search, collection, Asked(query, 3))
        returned = search.retrieve(query, 3)
        told = [candidate for candidate in found.candidates if candidate.final]
        assert [c.passage.chunk.id for c in told] == [p.chunk.id for p in returned]
        assert [c.final.score for c in told if c.final] == [p.score for p in returned]
        assert found.counts["returned"] == len(returned) == 3
        assert len(found.candidates) > 3


def test_shares_add_up_to_the_fused_score(collection: Collection, search: Search) -> None:
    found = explain(search, collection, Asked("net sales of Acme in fiscal 2022", 8))
    assert found.understood.boosts
    assert any(candidate.boost > 0 for candidate in found.candidates)
    assert any(candidate.by_words > 0 for candidate in found.candidates)
    for c in found.candidates:
        assert c.by_words + c.by_meaning + c.boost == pytest.approx(c.fused.score, abs=1e-8)
    assert [c.fused.rank for c in sorted(found.candidates, key=lambda c: -c.fused.score)] == list(range(1, 9))


def test_legs_are_told_as_they_are_alone(collection: Collection, search: Search) -> None:
    query = "Dialysis replaces the work of the kidneys"
    found = explain(search, collection, Asked(query, 2))
    for leg in ("lexical", "dense"):
        alone = collection.retrieve(query, 50, mode=leg)  # type: ignore[arg-type]
        assert [c.passage.chunk.id for c in found.best(leg)] == [p.chunk.id for p in alone]
        assert found.counts[leg] == len(alone)


def test_one_leg_alone_and_a_filter(collection: Collection) -> None:
    search = Search(collection, mode="lexical")
    asked = Asked("kidneys heart", 5, {"year": 2020}, mode="lexical")
    found = explain(search, collection, asked)
    assert {c.passage.source for c in found.candidates} == {"heart.txt"}
    assert all(c.dense is None and c.lexical == c.fused == c.final for c in found.candidates)
    assert explained_json(found)["where"] == {"year": 2020}


def test_what_a_reranker_and_a_newer_version_move_is_told(collection: Collection) -> None:
    class Backwards:
        def rerank(self, query: str, passages: Sequence[Passage], k: int) -> list[Passage]:
            turned = list(reversed(passages))[:k]
            return [replace(p, rank=n, score=1.0 / n) for n, p in enumerate(turned, start=1)]

    for year in (2021, 2022):
        told = {"series": "guide", "version_date": f"{year}-01-01"}
        collection.add(
            *document(f"The dose of the guide is right {'' if year == 2022 else 'indeed'}", f"{year}", **told)
        )
    collection.commit()
    plain = explain(Search(collection), collection, Asked("dose of the guide indeed", 2))
    marks = {c.passage.source: (c.set_back, c.moved) for c in plain.candidates if c.final}
    assert marks["2021"][0] and not marks["2022"][0]
    turned = explain(Search(collection, reranker=Backwards()), collection, Asked("kidneys", 3, reranker="backwards"))
    last = [c for c in turned.candidates if c.final]
    assert [c.fused.rank for c in last] != [1, 2, 3]
    assert last[0].moved == last[0].fused.rank - 1 > 0


@pytest.mark.parametrize(("language", "word"), [("en", "not returned"), ("zh", "未返回")])
def test_words_and_json(collection: Collection, search: Search, language: Language, word: str) -> None:
    found = explain(search, collection, Asked("heart 药物 infarction", 1, {"year": [2020, 2023]}))
    words = explained_words(found, language)
    assert word in words
    assert "heart.txt" in words
    told = json.loads(json.dumps(explained_json(found)))
    assert told["index"] == {"kind": "Collection", "generation": 1}
    assert {"understand", "embed", "filter", "lexical", "dense", "fuse", "search"} <= told["timings"].keys()
    assert told["counts"]["chunks"] == 8
    best = told["candidates"][0]
    assert best["final"] == {"rank": 1, "score": best["final"]["score"]}
    assert best["shares"].keys() == {"lexical", "dense", "boost"}


def test_nothing_found_and_nothing_asked(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "empty", FakeEmbedder(), writable=True, create=True) as index:
        found: Explained = explain(Search(index), index, Asked("anything", 5))
        assert found.candidates == ()
        assert "nothing found" in explained_words(found)
        with pytest.raises(UserError, match="query is empty"):
            explain(Search(index), index, Asked(" ", 5))
        with pytest.raises(UserError, match="k must be at least 1"):
            explain(Search(index), index, Asked("x", 0))


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Kidneys failed; the kidney fails.", "failing kidney", ["Kidneys", "failed", "kidney", "fails"]),
        ("2型糖尿病的药物治疗", "糖尿病药物", ["糖尿病", "药物"]),
        ("The of and", "the of", []),
        ("(a+b)* \\ cost", "cost (a+b)*", ["cost"]),
    ],
)
def test_matched_words_are_marked(text: str, query: str, marked: list[str]) -> None:
    found = [text[start:end] for start, end in matches(text, Understood(query, "en"))]
    assert [word for word in found if len(word) > 1] == marked


def test_words_of_expansions_are_marked() -> None:
    understood = Understood("MI", "en", (("myocardial infarction", 0.5),))
    text = "After infarction"
    assert [text[start:end] for start, end in matches(text, understood)] == ["infarction"]


def test_both_kinds_of_collection_are_explained_alike(collection: Collection, tmp_path: Path) -> None:
    pytest.importorskip("milvus_lite")
    from rag.integrations.milvus import MilvusCollection

    where: Where = {"year": [2020, 2021, 2022]}
    uri = str(tmp_path / "m.db")
    with MilvusCollection.open(uri, "c", FakeEmbedder(), writable=True, create=True) as milvus:
        for source in collection.sources():
            whole = collection.document_of_source(source)
            assert whole is not None
            milvus.add(whole, collection.chunks(whole.id))
        milvus.commit()
        for index in (collection, milvus):
            found = explain(Search(index), index, Asked("kidneys and the heart", 4, where))
            assert found.candidates[0].passage.source in ("kidney.txt", "heart.txt")
            assert "报告.txt" not in {c.passage.source for c in found.candidates}
            assert found.kind == type(index).__name__
