import random
from math import log2

import pytest

from eval.ranking import METRICS, check_metrics, definitions, recall_curve, scores_of
from eval.stamp import RunOptions
from rag.errors import UserError


def test_metrics_by_hand() -> None:
    qrels = {"q": {"a": 3, "b": 1, "c": 0, "d": 1}, "unseen": {"a": 1}}
    scores = scores_of(qrels, {"q": ["c", "b", "x", "a"], "unseen": []})
    ideal = 3 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert scores["q"] == pytest.approx(
        {
            "ndcg@10": (1 / log2(3) + 3 / log2(5)) / ideal,
            "recall@100": 2 / 3,
            "mrr@10": 1 / 2,
            "precision@5": 2 / 5,
            "map": (1 / 2 + 2 / 4) / 3,
        }
    )
    assert scores["unseen"] == dict.fromkeys(METRICS, 0.0)


def test_what_lies_beyond_the_cut_does_not_count() -> None:
    found = [f"x{i}" for i in range(10)] + ["a"]
    scores = scores_of({"q": {"a": 1}}, {"q": found})["q"]
    assert (scores["ndcg@10"], scores["mrr@10"], scores["precision@5"], scores["recall@100"]) == (0, 0, 0, 1)
    assert scores["map"] == pytest.approx(1 / 11)


def test_order_decides_even_past_ten_and_among_equal_ids() -> None:
    ids = [str(i) for i in range(100)]
    scores = scores_of({"q": {"37": 1}}, {"q": ids})["q"]
    assert scores["map"] == pytest.approx(1 / 38)


def test_graded_relevance_by_hand() -> None:
    # grades 3, 2, 1 and a judged 0; found: 1, -, 3, 2
    qrels = {"问": {"甲": 3, "乙": 2, "丙": 1, "丁": 0, "戊": -1}}
    scores = scores_of(
        qrels, {"问": ["丙", "戊", "甲", "乙"]}, ["ndcg@1", "ndcg@3", "ndcg@4", "recall@3", "precision@2", "mrr@1"]
    )
    ideal = [3 / log2(2), 2 / log2(3), 1 / log2(4)]
    assert scores["问"] == pytest.approx(
        {
            "ndcg@1": 1 / 3,
            "ndcg@3": (1 + 3 / log2(4)) / sum(ideal),
            "ndcg@4": (1 + 3 / log2(4) + 2 / log2(5)) / sum(ideal),
            "recall@3": 2 / 3,
            "precision@2": 1 / 2,
            "mrr@1": 1,
        }
    )


def test_agrees_with_a_plain_implementation() -> None:
    generator = random.Random(4)
    ids = [f"d{number}" for number in range(40)]
    qrels = {f"q{q}": {key: generator.choice([0, 0, 1, 2, 3]) for key in ids[:15]} for q in range(20)}
    rankings = {query: generator.sample(ids, 30) for query in qrels}
    cuts = (1, 3, 10, 100)
    found = scores_of(qrels, rankings, [f"{name}@{k}" for name in ("ndcg", "recall", "precision", "mrr") for k in cuts])
    for query, grades in qrels.items():
        gains = [grades.get(key, 0) for key in rankings[query]]
        best = sorted(grades.values(), reverse=True)
        total = sum(grade > 0 for grade in grades.values())
        for k in cuts:
            ideal = sum(gain / log2(at + 2) for at, gain in enumerate(best[:k]))
            first = next((at for at, gain in enumerate(gains[:k], 1) if gain), None)
            assert found[query][f"ndcg@{k}"] == pytest.approx(
                sum(gain / log2(at + 2) for at, gain in enumerate(gains[:k])) / ideal
            )
            assert found[query][f"recall@{k}"] == pytest.approx(sum(gain > 0 for gain in gains[:k]) / total)
            assert found[query][f"precision@{k}"] == pytest.approx(sum(gain > 0 for gain in gains[:k]) / k)
            assert found[query][f"mrr@{k}"] == pytest.approx(1 / first if first else 0)


@pytest.mark.parametrize("name", ["ndcg", "ndcg@0", "ndcg@101", "recall@-1", "NDCG@10", "map@10", "f1", "", "mrr@ 1"])
def test_unknown_metrics_are_told(name: str) -> None:
    with pytest.raises(UserError, match=r"no metric of rankings. There are ndcg@K, recall@K"):
        check_metrics(["ndcg@10", name])


def test_metrics_once_each_and_at_least_one() -> None:
    assert check_metrics(["map", "ndcg@5", "map"]) == ("map", "ndcg@5")
    with pytest.raises(UserError, match="at least one metric"):
        check_metrics([])
    assert all(definitions(METRICS).values())


def test_the_recall_curve() -> None:
    qrels = {"a": {"x": 1, "y": 2}, "b": {"z": 1}}
    curve = recall_curve(qrels, {"a": ["x", "n", "y"], "b": []}, RunOptions(resamples=100))
    assert {point["k"]: point["value"] for point in curve} == pytest.approx(
        {1: 0.25, 2: 0.25, 3: 0.5, 5: 0.5, 10: 0.5, 20: 0.5, 50: 0.5, 100: 0.5}
    )
    assert all(point["low"] <= point["value"] <= point["high"] for point in curve)
