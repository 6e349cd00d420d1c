"""Metrics against people's judgements of answers: the sign, the ceiling, ties, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eval.judged import (
    Graded,
    Pair,
    correlations,
    graded_areas,
    load_graded,
    load_pairs,
    overlap_scorer,
    pearson,
    refusals,
    spearman,
    verifier_scorer,
)
from eval.stamp import RunOptions
from rag.errors import DocumentError
from rag.language import sentence_spans
from rag.schema import Answer, Claim, Verdict

OPTIONS = RunOptions(resamples=100)
PAIR = {"id": 1, "query": "Q?", "gt_answer": "Yes.", "response1": "No.", "response2": "", "overall": [1, 2]}


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", range(3))
def test_weighted_correlations_are_those_of_repeated_points(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(seed)
    x, y = draw.integers(0, 6, 30).astype(float), draw.normal(size=30).round(1)
    times = draw.integers(0, 4, 30)
    rows = np.repeat(np.arange(30), times)
    weights = times.astype(float)
    assert pearson(x, y, weights) == pytest.approx(stats.pearsonr(x[rows], y[rows])[0])
    assert spearman(x, y, weights) == pytest.approx(stats.spearmanr(x[rows], y[rows])[0])


def test_what_does_not_vary_has_no_correlation() -> None:
    assert pearson(np.ones(4), np.arange(4.0), np.ones(4)) is None
    assert spearman(np.arange(4.0), np.ones(4), np.ones(4)) is None


def test_above_zero_means_that_the_second_is_better() -> None:
    """Judges agree but for a constant; one metric follows them, one turns them around, one fails half of the time."""
    pairs, values = [], {}
    for at in range(20):
        liked = at % 5 - 2
        judged = {"overall": (float(liked), float(liked) / 2)}
        pairs.append(Pair(str(at), "Q?", "R.", ("a", "b"), judged))
        follows, turned = [0.0, liked / 10], [liked / 10, 0.0]
        rows = [{"follows": f, "turned": t, "flat": 1.0} for f, t in zip(follows, turned, strict=True)]
        values[str(at)] = [row | {"half": row["follows"] if at % 2 else None} for row in rows]
    found = {row["metric"]: row for row in correlations(pairs, values, OPTIONS)}
    assert found["human"]["pearson"]["value"] == pytest.approx(1.0)
    assert found["follows"]["pearson"]["value"] == pytest.approx(1.0)
    assert found["follows"]["spearman"]["value"] == pytest.approx(1.0)
    assert found["turned"]["spearman"]["value"] == pytest.approx(-1.0)
    assert found["flat"]["pearson"]["value"] is None and found["flat"]["pearson_each"] is None
    assert (found["follows"]["n"], found["half"]["n"]) == (20, 10)
    assert 0.8 < found["follows"]["pearson_each"] < 1.0  # two judges on different scales
    assert {row["target"] for row in correlations(pairs, values, OPTIONS)} == {"overall"}


def test_a_failed_pair_is_left_out() -> None:
    pairs = [Pair(str(i), "Q?", "R.", ("a", "b"), {"overall": (float(i),)}) for i in range(4)]
    values = {"0": [{"m": 0.0}, {"m": 0.1}], "2": [{}, {}], "3": [{"m": 0.0}, {"m": 0.4}]}
    (found,) = correlations(pairs, values, OPTIONS)
    assert found["metric"] == "m" and found["n"] == 2


def test_correct_against_incorrect() -> None:
    grades = ["correct"] * 3 + ["incorrect"] * 2 + ["refusal"]
    answers = [Graded(str(i), "Q?", "R.", ("a",), grade) for i, grade in enumerate(grades)]
    scores = [0.9, 0.8, 0.3, 0.5, 0.1, 1.0]
    values = {str(i): [{"m": score, "n": None}] for i, score in enumerate(scores)}
    found = {row["metric"]: row for row in graded_areas(answers, values, OPTIONS)}
    assert found["m"]["auroc"]["value"] == pytest.approx(5 / 6) and found["m"]["n"] == 5
    assert found["n"]["auroc"]["value"] is None and found["n"]["n"] == 0


def test_refusals() -> None:
    texts = ["NOT IN THE DOCUMENTS", "文档中没有答案", "I cannot say.", "It is 5.", "NOT IN THE DOCUMENTS."]
    grades = ["refusal", "refusal", "refusal", "correct", "incorrect"]
    answers = [Graded(str(i), "Q?", "R.", (t,), g) for i, (t, g) in enumerate(zip(texts, grades, strict=True))]
    found = refusals(answers, OPTIONS)
    assert found["recall"]["value"] == pytest.approx(2 / 3)
    assert found["precision"]["value"] == pytest.approx(2 / 3)


class Same:
    """Sure of a sentence exactly where it stands in the passage."""

    name = "same-1"

    def verify(self, answer: Answer) -> Verdict:
        text = answer.passages[0].chunk.text
        spans = sentence_spans(answer.text)
        held = [float(answer.text[a:b] in text) for a, b in spans]
        made = [Claim(a, b, "supported" if h else "not_enough_info", h) for (a, b), h in zip(spans, held, strict=True)]
        return Verdict(tuple(made), self.name)


def test_a_verifier_both_ways() -> None:
    scorer = verifier_scorer("same", Same())
    found = scorer("Q?", "Sales fell. 成本上升。", "Sales fell.")
    assert found["same_precision"] == 1.0
    assert found["same_recall"] == pytest.approx(11 / 16)  # of 11 and 5 characters
    assert found["same_f1"] == pytest.approx(2 * (11 / 16) / (1 + 11 / 16))
    assert set(scorer("Q?", "Sales fell.", " ").values()) == {0.0}


def test_metrics_without_a_verifier() -> None:
    class Flat:
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0, float("一" in text)] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return [1.0, 0.0]

    found = overlap_scorer(Flat())("多少？", "一共 15亿美元", "$1.5 billion")
    assert found["numeric_accuracy"] == 1.0 and found["cosine"] == pytest.approx(0.5**0.5)
    empty = overlap_scorer(Flat())("Q?", "Yes, it did.", "")
    assert empty["cosine"] == empty["rougeL"] == empty["token_f1"] == 0.0 and empty["numeric_accuracy"] is None
    assert "cosine" not in overlap_scorer()("Q?", "Yes.", "Yes.")


def test_reads_pairs_and_grades(tmp_path: Path) -> None:
    (pair,) = load_pairs(write(tmp_path / "p.jsonl", PAIR))
    assert pair == Pair("1", "Q?", "Yes.", ("No.", ""), {"overall": (1.0, 2.0)})
    row = {"id": "a", "question": "多少？", "reference": "5", "response": "6", "label": "incorrect"}
    (graded,) = load_graded(write(tmp_path / "g.jsonl", row))
    assert graded == Graded("a", "多少？", "5", ("6",), "incorrect")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"overall": ["好"]}, "'overall' must be a list of numbers"),
        ({"overall": []}, "'overall' must be a list of numbers"),
        ({"overall": [True]}, "'overall' must be a list of numbers"),
        ({"overall": [1]}, "'overall' holds 1 judgements, in other records 2"),
        ({"gt_answer": ""}, "'gt_answer' is empty"),
        ({"response2": None}, "'response2' must be a string"),
        ({"id": 1}, "already stands in line 1"),
    ],
)
def test_faults_of_pairs(tmp_path: Path, change: dict, told: str) -> None:
    path = write(tmp_path / "p.jsonl", PAIR, PAIR | {"id": 2} | change)
    with pytest.raises(DocumentError) as raised:
        load_pairs(path)
    assert f"{path}:2" in str(raised.value) and told in str(raised.value)


def test_faults_of_grades(tmp_path: Path) -> None:
    row = {"id": "a", "question": "Q?", "reference": "5", "response": "6", "label": "wrong"}
    with pytest.raises(DocumentError, match="must be one of correct, incorrect, refusal, got 'wrong'"):
        load_graded(write(tmp_path / "g.jsonl", row))
    with pytest.raises(DocumentError, match="none of overall, correctness, completeness"):
        load_pairs(write(tmp_path / "p.jsonl", {k: v for k, v in PAIR.items() if k != "overall"}))


def test_the_shared_pairs_have_the_sign_of_ragchecker(shared_data: Path) -> None:
    """A better overlap with the reference goes with a better grade, and the two judges agree."""
    pairs = load_pairs(shared_data / "factuality" / "ragchecker_meta_eval.jsonl.gz")
    scorer = overlap_scorer()
    values = {pair.id: [scorer(pair.question, pair.reference, text) for text in pair.responses] for pair in pairs}
    rows = [row for row in correlations(pairs, values, OPTIONS) if row["target"] == "overall"]
    found = {row["metric"]: row["pearson"]["value"] for row in rows}
    assert 0.6 < found["human"] < 0.85
    assert 0.4 < found["rougeL"] < found["human"]
