from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UserError
from rag.retrieve import LONGEST_WORD, MAX_QUERY_CHARS, Search, clean_query
from rag.schema import Chunk, Document, Passage, Reranker, Retriever

TEXTS = ("Metformin lowers glucose.", "Net sales rose.", "二甲双胍降低血糖。", "Insulin is a hormone.")


def passages(n: int) -> list[Passage]:
    found = []
    for rank, text in enumerate(TEXTS[:n], start=1):
        document = Document.of(text, f"{rank}.txt")
        found.append(Passage(Chunk.of(document, 0, len(text)), 1.0 / rank, rank, "fake", document.source))
    return found


@dataclass
class PlainIndex:
    """Knows the protocol and nothing more."""

    size: int = len(TEXTS)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def retrieve(self, query: str, k: int, *, where: Any = None) -> list[Passage]:
        self.asked.append({"query": query, "k": k, "where": where})
        return passages(min(k, self.size))


@dataclass
class LeggedIndex:
    """Lets the caller choose the legs."""

    asked: list[dict[str, Any]] = field(default_factory=list)

    def legs(self, query: str, *, fetch_k: int, where: Any = None, mode: str = "hybrid") -> object:
        raise AssertionError("passages are asked for, not legs")

    def retrieve(
        self, query: str, k: int, *, where: Any = None, mode: str = "hybrid", fetch_k: int = 100, hints: Any = None
    ) -> list[Passage]:
        self.asked.append({"query": query, "k": k, "where": where, "mode": mode, "fetch_k": fetch_k})
        return passages(k)


class Backwards:
    """The last shall be first."""

    def rerank(self, query: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        turned = list(reversed(passages))[:k]
        return [replace(p, rank=i, score=-float(i), retriever="backwards") for i, p in enumerate(turned, start=1)]


def test_search_is_a_retriever_and_the_fake_a_reranker():
    reranker: Reranker = Backwards()
    search: Retriever = Search(PlainIndex(), reranker=reranker)
    assert isinstance(search, Retriever)


def test_passages_come_as_the_index_ranked_them():
    index = PlainIndex()
    found = Search(index).retrieve("  glucose  ", 2, where={"year": 2022})
    assert [p.chunk.text for p in found] == list(TEXTS[:2])
    assert [p.rank for p in found] == [1, 2]
    assert index.asked == [{"query": "glucose", "k": 2, "where": {"year": 2022}}]


def test_the_reranker_sees_all_candidates_and_has_the_last_word():
    index = PlainIndex()
    found = Search(index, reranker=Backwards(), rerank_k=4).retrieve("glucose", 2)
    assert index.asked[0]["k"] == 4
    assert [p.chunk.text for p in found] == [TEXTS[3], TEXTS[2]]
    assert [p.rank for p in found] == [1, 2]


def test_the_reranker_is_never_given_fewer_candidates_than_are_wanted():
    index = PlainIndex()
    assert len(Search(index, reranker=Backwards(), rerank_k=1).retrieve("glucose", 3)) == 3


def test_nothing_found_is_nothing_returned_and_no_reranker_is_bothered():
    class Never:
        def rerank(self, query: str, passages: Sequence[Passage], k: int) -> list[Passage]:
            raise AssertionError("there is nothing to rank")

    assert Search(PlainIndex(size=0)).retrieve("glucose", 3) == []
    assert Search(PlainIndex(size=0), reranker=Never()).retrieve("glucose", 3) == []


def test_more_than_there_is_gives_all_there_is():
    assert len(Search(PlainIndex()).retrieve("glucose", 10_000)) == len(TEXTS)


def test_the_legs_are_chosen_where_there_are_legs():
    index = LeggedIndex()
    Search(index, mode="lexical", fetch_k=7).retrieve("glucose", 2)
    Search(index, fetch_k=7).retrieve("glucose", 9)
    assert [(a["mode"], a["fetch_k"], a["k"]) for a in index.asked] == [("lexical", 7, 2), ("hybrid", 9, 50)]


def test_a_leg_cannot_be_chosen_where_there_are_none():
    with pytest.raises(UserError, match="dense"):
        Search(PlainIndex(), mode="dense")


@pytest.mark.parametrize("query", ["", " ", "\n\t ", "　", "\0", "\ud800"])
def test_an_empty_query_is_refused(query: str):
    with pytest.raises(UserError, match="empty"):
        Search(PlainIndex()).retrieve(query, 3)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused_with_the_value(k: int):
    with pytest.raises(UserError, match=f"got {k}"):
        Search(PlainIndex()).retrieve("glucose", k)


@pytest.mark.parametrize("name", ["fetch_k", "rerank_k"])
def test_counts_of_candidates_below_one_are_refused_by_name(name: str):
    with pytest.raises(UserError, match=f"{name}.*got 0"):
        Search(PlainIndex(), **{name: 0})


@pytest.mark.parametrize("query", ["the of and", "🙂🙂", "?!", "的"])
def test_a_query_without_content_words_still_reaches_the_index(query: str):
    index = PlainIndex()
    assert Search(index).retrieve(query, 1)
    assert index.asked[0]["query"] == query


def test_a_query_of_ten_thousand_words_is_cut_between_words():
    index = PlainIndex()
    Search(index).retrieve("word" + " glucose" * 10_000, 3)
    asked = index.asked[0]["query"]
    assert MAX_QUERY_CHARS - LONGEST_WORD <= len(asked) <= MAX_QUERY_CHARS
    assert set(asked.split()) == {"word", "glucose"}


def test_a_long_chinese_query_keeps_its_length_though_it_has_one_space():
    assert len(clean_query("a " + "血" * 10_000)) == MAX_QUERY_CHARS


@given(st.text(max_size=3 * MAX_QUERY_CHARS))
def test_a_cleaned_query_is_well_formed_short_and_stable(query: str):
    try:
        once = clean_query(query)
    except UserError:
        return
    assert 0 < len(once) <= MAX_QUERY_CHARS
    assert once == once.strip() == clean_query(once)
    once.encode("utf-8")
