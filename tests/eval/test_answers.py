import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from eval.abstention import set_metrics
from eval.answers import DEFINITIONS, LOWER_IS_BETTER, METRICS, SHOWN, judge_of, prediction_of, scores_of
from eval.dataset import Context, Example, passages_of
from eval.overlap import OVERLAP
from rag.schema import Answer, Citation, Claim, Figure, Label, Passage, Verdict

CONTEXTS = (Context("c1", "Sales fell to $5 million. 销售额下降。"), Context("c2", "Costs rose. " * 300))
TEXT = "Sales fell to $5 million. 成本上升。"


@dataclass
class Outcome:
    answer: Answer
    verdict: Verdict


def outcome(second: tuple[int, ...] = (1, 2), **fields: Any) -> Outcome:
    """Two sentences: the first cites passage 1, the second those given; the verifier supports both."""
    cited = (Citation(0, 25, 1, 0, 25), *(Citation(26, 31, rank, 0, 5) for rank in second))
    claims = (Claim(0, 25, "supported", 0.9, (1,)), Claim(26, 31, "supported", 0.8, second))
    answer = Answer("What fell?", TEXT, tuple(passages_of(CONTEXTS)), cited, confidence=0.7, timings={"total": 0.5})
    return Outcome(replace(answer, **fields), Verdict(claims, "table"))


class OnlyFirst:
    """A judge that finds support in passage 1 alone."""

    name = "table"

    def judge(self, claim: str, passages: Sequence[Passage]) -> tuple[Label, float]:
        return ("supported", 0.9) if 1 in {p.rank for p in passages} else ("contradicted", 0.1)


def example(**fields: Any) -> Example:
    made = Example("id", "What fell?", ("Sales fell to $5 million.",), True, CONTEXTS, gold_passages=("c2",))
    return replace(made, **fields)


def test_what_is_kept_goes_through_json_and_says_where_it_came_from() -> None:
    figure = Figure("$5 million", 14, 24, Decimal(5), "USD", 10**6, 1)
    kept = prediction_of(outcome(figures=(figure, replace(figure, rank=None))), OnlyFirst())
    assert json.loads(json.dumps(kept, ensure_ascii=False, allow_nan=False)) == kept
    assert kept["prediction"] == TEXT
    assert (kept["verifier"], kept["judge"], kept["confidence"], kept["timings"]) == (
        "table",
        "table",
        0.7,
        {"total": 0.5},
    )
    assert [c["source"] for c in kept["citations"]] == ["c1", "c1", "c2"]
    assert [f["text"] for f in kept["figures"]] == ["$5 million"]
    assert [(p["rank"], p["source"]) for p in kept["passages"]] == [(1, "c1"), (2, "c2")]
    assert kept["passages"][0]["text"] == CONTEXTS[0].text
    assert kept["passages"][1]["text"] == CONTEXTS[1].text[:SHOWN]
    # sales fell to 5 million 成 本 上 升; the same with 销 售 额 下 降, and 300 x costs rose
    assert kept["tokens"] == {"answer": 9, "passages": 10 + 600}


def test_citations_are_judged_when_the_answer_is_at_hand() -> None:
    kept = prediction_of(outcome(), OnlyFirst())
    assert [(s["ranks"], s["supported"], s["precise"]) for s in kept["support"]] == [
        ([1], True, [1]),
        ([1, 2], True, [1]),
    ]
    scores = scores_of(example(), kept)
    assert scores["citation_recall"] == 1
    assert scores["citation_precision"] == 2 / 3
    assert scores["gold_citation_precision"] == 1 / 3
    assert scores["faithfulness"] == 1


def test_without_a_judge_several_citations_of_a_sentence_are_unknown() -> None:
    scores = scores_of(example(), prediction_of(outcome()))
    assert (scores["citation_recall"], scores["citation_precision"]) == (1, None)
    scores = scores_of(example(), prediction_of(outcome(second=(2,))))
    assert (scores["citation_recall"], scores["citation_precision"]) == (1, 1)


def test_uncited_sentences_count_against_recall() -> None:
    scores = scores_of(example(), prediction_of(outcome(second=()), OnlyFirst()))
    assert (scores["citation_recall"], scores["citation_precision"]) == (1 / 2, 1)


def test_an_abstention_keeps_its_confidence_and_passages() -> None:
    kept = prediction_of(outcome(abstained=True, reason="No."), OnlyFirst())
    assert (kept["prediction"], kept["reason"], kept["confidence"]) == ("", "No.", 0.7)
    assert kept["claims"] == kept["citations"] == kept["support"] == []
    assert kept["tokens"] == {"answer": 0, "passages": 610}
    assert len(kept["passages"]) == 2
    scores = scores_of(example(), kept)
    assert {name for name, value in scores.items() if value is not None} == {
        *OVERLAP,
        "answered",
        "abstention_precision",
    }
    assert scores_of(example(answerable=False, references=()), kept)["abstention_recall"] == 1


@pytest.mark.parametrize("confidence", [1.5, -0.1, float("nan")])
def test_a_confidence_outside_its_range_is_told(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got"):
        prediction_of(outcome(confidence=confidence))


def test_who_judges() -> None:
    class Asks:
        def ask(self, question: str, **_: Any) -> Outcome:
            return outcome()

    class AsksAndChecks(Asks):
        def check(self, answer: Answer) -> Verdict:
            label: Label = "supported" if 1 in {c.rank for c in answer.citations} else "contradicted"
            return Verdict((Claim(0, len(answer.text), label, 0.9, ()),), "own")

    given = OnlyFirst()
    assert judge_of(Asks(), given) is given
    assert judge_of(Asks()) is None
    kept = prediction_of(outcome(), judge_of(AsksAndChecks()))
    assert scores_of(example(), kept)["citation_precision"] == 2 / 3


@pytest.mark.parametrize(
    ("fields", "text", "expected"),
    [
        ({"answer_type": "number", "references": ("$5 million",)}, "It was $5 million.", 1),
        ({"answer_type": "number", "references": ("5",), "scale": "million"}, "It was 500万美元。", 1),
        ({"answer_type": "number", "references": ("Sales were $6.",), "exact": ("$5",)}, "$5", 1),
        ({"answer_type": "free", "references": ("12.5%", "12.5% of sales")}, "占销售额的12.5%。", 1),
        ({"answer_type": "span", "references": ("143,699,358元",)}, "143,699,358元", 1),
        ({"answer_type": "span", "references": ("18趟",)}, "每天19趟", 0),
        ({"answer_type": "free", "references": ("Sales fell to $5 million.",)}, "$5 million", None),
        ({"answer_type": "span", "references": ("2019",)}, "2019", None),
        ({"answer_type": "list", "references": ("73,260", "57,768")}, "73,260 and 57,768", 1),
        ({"answer_type": "list", "references": ("73,260", "57,768")}, "73,260", 0),
        ({"answer_type": "list", "references": ("2019", "2018")}, "2019", None),
        ({"answer_type": "list", "references": ("3 types of lung cancer", "5")}, "5", None),
    ],
)
def test_figures_are_judged_where_one_is_asked_for(fields: dict[str, Any], text: str, expected: float | None) -> None:
    assert scores_of(example(**fields), {"prediction": text})["numeric_accuracy"] == expected


def test_a_failed_example_is_no_answer_and_no_abstention() -> None:
    scores = scores_of(example(), {"error": "ValueError: x"})
    assert scores["answered"] == scores["rougeLsum"] == scores["chrf"] == 0
    assert scores["abstention_precision"] is None
    assert scores_of(example(answerable=False, references=()), {"error": "x"})["abstention_recall"] == 0


def test_every_figure_has_a_definition() -> None:
    assert set(DEFINITIONS) == {*METRICS, *set_metrics([], resamples=1)}
    assert set(METRICS) >= set(OVERLAP)
    assert {name for name, words in DEFINITIONS.items() if "lower is better" in words} == LOWER_IS_BETTER
