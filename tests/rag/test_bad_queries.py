"""Queries nobody should ask: clear behaviour through the whole of Search, over a collection on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import UserError
from rag.retrieve import Search
from rag.schema import Chunk, Document
from rag.store import Collection
from rag.terms import Terminology
from rag.testing import FakeEmbedder
from rag.understand import Understanding

TEXTS = {
    "3m.txt": "3M COMPANY net sales grew to 34.2 billion dollars in 2022.",
    "metformin.txt": "Metformin lowers glucose. It is contraindicated in severe renal impairment.",
    "maotai.txt": "贵州茅台2022年实现营业收入1,275亿元，净利润627亿元。",
    "erjia.txt": "二甲双胍禁用于严重肾功能不全的患者。",
}
ODD = [
    "😀🎉",
    "the of and",
    "的 了 吗",
    "?!。，",
    "'; DROP TABLE chunks; --",
    'text:(a AND "b" OR c~2)^9 NOT [1 TO 2] \\ * +x -y',
    "metformin 二甲双胍 ميتفورمين метформин メトホルミン",
    "\x00metformin\ud800",
    "$MMM FY22 Q2 2022年报 10-K",
    "药" * 5_000,
    "word " * 10_000,
]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    path: Path = tmp_path_factory.mktemp("bad") / "collection"
    with Collection.open(path, FakeEmbedder(), writable=True, create=True) as made:
        for source, text in TEXTS.items():
            metadata = {"organisation": "3M COMPANY", "ticker": "MMM", "year": 2022} if source == "3m.txt" else {}
            document = Document.of(text, source, title=source, metadata=metadata)
            made.add(document, [Chunk.of(document, 0, len(text))])
        made.commit()
        yield made


@pytest.fixture(scope="module")
def search(collection: Collection) -> Search:
    return Search(collection, understanding=Understanding(Terminology.load()))


@pytest.mark.parametrize("query", ODD, ids=[f"{n}-{q[:12]!r}" for n, q in enumerate(ODD)])
def test_odd_queries_are_searched_like_any_other(search: Search, query: str):
    found = search.retrieve(query, 3)
    assert len(found) == 3
    assert [p.rank for p in found] == [1, 2, 3]
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert all(0 <= p.score <= 1 for p in found)
    assert [p.chunk.id for p in search.retrieve(query, 3)] == [p.chunk.id for p in found]


def test_the_words_of_an_odd_query_still_decide(search: Search):
    assert search.retrieve("'; DROP metformin -- contraindicated (\"", 1)[0].source == "metformin.txt"
    assert search.retrieve("二甲双胍 AND 禁用 [", 1)[0].source == "erjia.txt"


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_passage_cannot_be_asked_for(search: Search, k: int):
    with pytest.raises(UserError, match=rf"k must be at least 1, got {k}"):
        search.retrieve("metformin", k)


@pytest.mark.parametrize("query", ["", " \n\t", "\x00", "\ud800"])
def test_an_empty_query_is_refused(search: Search, query: str):
    with pytest.raises(UserError, match="empty"):
        search.retrieve(query, 3)


def test_more_than_there_is_gives_all_once(search: Search):
    found = search.retrieve("metformin", 10_000)
    assert sorted(p.source for p in found) == sorted(TEXTS)


def test_an_empty_collection_finds_nothing(tmp_path: Path):
    with Collection.open(tmp_path / "empty", FakeEmbedder(), writable=True, create=True) as empty:
        assert Search(empty, understanding=Understanding(None)).retrieve("3M in FY2022", 5) == []


def test_boosts_never_empty_a_result_and_obey_the_filter(search: Search):
    asked = "What was the revenue of 3M in FY2031?"
    assert {p.source for p in search.retrieve(asked, 4)} == set(TEXTS)
    assert search.retrieve(asked, 1)[0].source == "3m.txt"
    kept = search.retrieve("Does 3M sell metformin?", 4, where={"source": ["metformin.txt", "erjia.txt"]})
    assert {p.source for p in kept} == {"metformin.txt", "erjia.txt"}


def test_another_language_is_found_by_its_names(search: Search):
    for query in ("二甲双胍", "Glucophage"):
        assert {p.source for p in search.retrieve(query, 2)} == {"erjia.txt", "metformin.txt"}
