"""Rerankers: late interaction over the shipped encoder, a cross-encoder by name, and reading in time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import rerank
from rag.errors import MissingExtraError, SettingsError, UserError
from rag.rerank import LateInteraction, best_match, in_order, open_reranker, pieces, read_in_time, standardised
from rag.schema import Chunk, Document, Passage

DRUGS = (
    "The bond's coupon is paid twice a year.",
    "Metformin is taken with meals.",
    "Metformin may cause lactic acidosis in renal failure.",
    "Renal failure was seen in 3 patients.",
)


def found(texts: Sequence[str], scores: Sequence[float] | None = None) -> list[Passage]:
    documents = [Document.of(text, f"{i}.txt") for i, text in enumerate(texts)]
    scores = scores or [1.0] * len(texts)
    return [
        Passage(Chunk.of(d, 0, len(d.text)), score, rank, "hybrid", d.source)
        for rank, (d, score) in enumerate(zip(documents, scores, strict=True), start=1)
    ]


@pytest.fixture(scope="module")
def late(model_cache: Path) -> LateInteraction:
    opened = open_reranker("shipped", cache=model_cache, budget_ms=0)
    assert isinstance(opened, LateInteraction)
    return opened


@pytest.mark.model
def test_the_passage_that_speaks_of_all_comes_first(late: LateInteraction) -> None:
    ranked = late.rerank("lactic acidosis from metformin when kidneys fail", found(DRUGS), 3)
    assert ranked[0].chunk.text == DRUGS[2]
    assert [p.rank for p in ranked] == [1, 2, 3]
    assert [p.score for p in ranked] == sorted((p.score for p in ranked), reverse=True)
    assert DRUGS[0] not in [p.chunk.text for p in ranked]


@pytest.mark.model
def test_a_clear_lead_of_the_search_is_kept(late: LateInteraction) -> None:
    ranked = late.rerank("metformin with meals", found(DRUGS[1:3], [1.0, 0.1]), 2)
    assert ranked[0].chunk.text == DRUGS[1]


def test_chinese_queries_are_left_in_the_order_they_came(tmp_path: Path) -> None:
    passages = found(["二甲双胍随餐服用。", "肾衰竭时可能发生乳酸酸中毒。"], [0.4, 0.3])
    opened = open_reranker("shipped", cache=tmp_path / "nothing is loaded")
    assert opened is not None
    assert opened.rerank("肾衰竭时的乳酸酸中毒", passages, 5) == passages
    assert not (tmp_path / "nothing is loaded").exists()


@pytest.mark.model
def test_no_more_are_read_than_was_said(model_cache: Path) -> None:
    opened = open_reranker("shipped", cache=model_cache, most=2, budget_ms=0)
    assert opened is not None
    ranked = opened.rerank("lactic acidosis from metformin when kidneys fail", found(DRUGS), 4)
    assert [p.chunk.text for p in ranked] == [DRUGS[1], DRUGS[0], *DRUGS[2:]]


@pytest.mark.model
def test_an_empty_query_or_passage_breaks_nothing(late: LateInteraction) -> None:
    assert late.rerank("metformin", [], 3) == []
    assert [p.rank for p in late.rerank("!", found(["", "Metformin."]), 2)] == [1, 2]


def test_off_is_none_and_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_reranker("off", cache=tmp_path) is None
    with pytest.raises(UserError, match="budget_ms must be at least 0, got -1"):
        open_reranker("shipped", cache=tmp_path, budget_ms=-1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"consilium\[llm\]"):
        open_reranker("some/cross-encoder", cache=tmp_path)


def test_a_long_text_is_read_in_pieces_and_nothing_is_lost() -> None:
    for text in ("", "short", "word " * 900, "x" * 2500, "乳酸酸中毒" * 600):
        found = pieces(text)
        assert "".join(found) == text
        assert all(len(piece) <= 1000 for piece in found)


@pytest.mark.model
def test_what_stands_at_the_end_of_a_long_passage_counts(late: LateInteraction) -> None:
    filler = "The committee met in spring and heard reports about its members. " * 40
    ranked = late.rerank("lactic acidosis from metformin", found([filler, filler + DRUGS[2]]), 2)
    assert ranked[0].chunk.text.endswith(DRUGS[2])


@pytest.mark.slow
def test_a_cross_encoder_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    opened = open_reranker(str(tmp_path / "no-such-model"), cache=tmp_path, device="cpu")
    assert opened is not None
    with pytest.raises(SettingsError, match=r"cannot be loaded.*shipped"):
        opened.rerank("x", found(DRUGS), 2)


def test_best_match_is_the_mean_of_the_best_cosines() -> None:
    asked, text = np.eye(3, dtype=np.float32)[:2], np.array([[1, 0, 0], [0, 0.6, 0.8]], dtype=np.float32)
    assert best_match(asked, text) == pytest.approx(0.8)
    assert best_match(asked, text[:0]) == 0.0
    assert standardised(np.array([2.0, 2.0])).tolist() == [0.0, 0.0]
    assert standardised(np.array([1.0, 3.0])).tolist() == [-1.0, 1.0]


def test_reading_stops_before_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(rerank.time, "perf_counter", lambda: clock[0])

    def judge(texts: list[str]) -> list[float]:
        clock[0] += len(texts) * 0.010
        return [1.0] * len(texts)

    texts = ["x" * 999] * 100
    assert len(read_in_time(judge, texts, 0.250)) == 25  # 10 ms each
    assert clock[0] == pytest.approx(0.250)
    assert len(read_in_time(judge, texts, 0.001)) == 4  # the first few tell the pace
    assert len(read_in_time(judge, ["x" * 50_000] * 3, 0.001)) == 1  # one in any case
    assert len(read_in_time(judge, texts, 0)) == 100
    assert read_in_time(judge, [], 0.1) == []


@given(st.lists(st.integers(-3, 3).map(float), max_size=6), st.integers(0, 6), st.integers(0, 9))
def test_what_was_read_leads_and_nothing_is_lost(scores: list[float], unread: int, k: int) -> None:
    texts = [f"text {i}" for i in range(len(scores) + unread)]
    passages = found(texts, [9.0 - i for i in range(len(texts))])
    ranked = in_order(passages, scores, k)
    assert len(ranked) == min(k, len(passages))
    assert [p.rank for p in ranked] == list(range(1, len(ranked) + 1))
    assert [p.score for p in ranked] == sorted((p.score for p in ranked), reverse=True)
    whole = in_order(passages, scores, len(passages))
    assert [p.chunk.text for p in whole[len(scores) :]] == texts[len(scores) :]
    assert sorted(p.chunk.text for p in whole) == sorted(texts)
