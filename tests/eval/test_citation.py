from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.citation import CheckerJudge, citation_precision, citation_recall, support
from rag.schema import Answer, Chunk, Citation, Claim, Document, Label, Passage, Verdict

NONE = Verdict((), "none")


def passages(count: int) -> tuple[Passage, ...]:
    documents = [Document.of(f"text {rank}", f"d{rank}") for rank in range(1, count + 1)]
    return tuple(Passage(Chunk.of(d, 0, len(d.text)), 1.0, i, "given") for i, d in enumerate(documents, 1))


def answer_of(*sentences: tuple[str, tuple[int, ...]]) -> Answer:
    text, citations = "", []
    for sentence, ranks in sentences:
        text += "" if not text or text[-1] == "。" else " "
        citations += [Citation(len(text), len(text) + len(sentence), rank, 0, 4) for rank in ranks]
        text += sentence
    return Answer("?", text, passages(4), tuple(citations))


class TableJudge:
    """Supports a sentence where the ranks it is shown hold one of the sets given for it; counts how often it is asked.

    Args:
        table: the smallest sets of ranks that support a sentence, by its text.
    """

    name = "table"

    def __init__(self, table: dict[str, list[set[int]]]) -> None:
        self.table = table
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    def judge(self, claim: str, shown: Sequence[Passage]) -> tuple[Label, float]:
        ranks = {passage.rank for passage in shown}
        self.asked.append((claim, tuple(sorted(ranks))))
        supported = any(needed <= ranks for needed in self.table[claim])
        return ("supported", 0.9) if supported else ("not_enough_info", 0.2)


# (cited, smallest sets that support, recall, precise ones), each by the definition of Gao et al. (2023), section 4.2
BY_HAND = [
    ((), [set()], 0, []),  # without a citation there is nothing to carry it, true or not
    ((1,), [{1}], 1, [1]),
    ((1,), [{2}], 0, []),
    ((1, 2), [{1}], 1, [1]),  # 2: alone no, and 1 does without it: irrelevant
    ((1, 2), [{1}, {2}], 1, [1, 2]),  # each alone supports
    ((1, 2), [{1, 2}], 1, [1, 2]),  # neither alone, but neither can go
    ((1, 2), [{3}], 0, []),  # not supported: none is precise
    ((1, 2, 3), [{1, 2}], 1, [1, 2]),  # 3 can go
    ((1, 2, 3), [{1, 2}, {3}], 1, [3]),  # 1: alone no, and 2 and 3 do without it; so for 2
    ((1, 2, 3), [{1, 2}, {2, 3}], 1, [2]),  # 2 cannot go
    ((1, 2, 3), [{1, 2}, {2, 3}, {1, 3}], 1, []),  # each can go: ALCE calls all irrelevant
]


@pytest.mark.parametrize("sentence", ["Sales fell.", "净利润下降5%。", "HbA1c 降至 7%。"])
@pytest.mark.parametrize(("cited", "needed", "recall", "precise"), BY_HAND)
def test_a_sentence_by_hand(
    sentence: str, cited: tuple[int, ...], needed: list[set[int]], recall: int, precise: list[int]
) -> None:
    answer = answer_of((sentence, cited))
    found = support(answer, NONE, TableJudge({sentence: needed}))
    assert found == [
        {"start": 0, "end": len(sentence), "ranks": list(cited), "supported": bool(recall), "precise": precise}
    ]
    assert citation_recall(found) == recall
    assert citation_precision(found) == pytest.approx(len(precise) / len(cited) if cited else 0)


def test_an_answer_is_the_mean_over_sentences_and_the_share_of_citations() -> None:
    answer = answer_of(("Sales fell.", (1, 2)), ("Costs rose.", ()), ("成本上升。", (3,)), ("利润下降。", (4,)))
    table = {"Sales fell.": [{1}], "Costs rose.": [{1}], "成本上升。": [{3}], "利润下降。": [{1}]}
    found = support(answer, NONE, TableJudge(table))
    assert citation_recall(found) == 2 / 4
    assert citation_precision(found) == 2 / 4  # 1 of sentence one, 3; not 2, not 4


sets = st.sets(st.integers(1, 4), max_size=4)
drawn = st.lists(st.tuples(sets, st.lists(sets.filter(bool), min_size=1, max_size=3)), min_size=1, max_size=4)


@given(drawn)
def test_the_figures_are_those_of_the_published_procedure(cases: list[tuple[set[int], list[set[int]]]]) -> None:
    # the procedure of ALCE's evaluation: joint support first, then, with several citations, each alone and without it
    supported = precise = total = 0
    for cited, needed in cases:

        def entails(ranks: set[int], needed: list[set[int]] = needed) -> bool:
            return any(smallest <= ranks for smallest in needed)

        total += len(cited)
        if not cited or not entails(cited):
            continue
        supported += 1
        if len(cited) == 1:
            precise += 1
            continue
        for rank in cited:
            irrelevant = not entails({rank}) and entails(cited - {rank})
            precise += not irrelevant
    sentences = [f"Sales fell in {2000 + i}." for i in range(len(cases))]
    answer = answer_of(*((text, tuple(cited)) for text, (cited, _) in zip(sentences, cases, strict=True)))
    judge = TableJudge({text: needed for text, (_, needed) in zip(sentences, cases, strict=True)})
    found = support(answer, NONE, judge)
    assert citation_recall(found) == supported / len(cases)
    assert citation_precision(found) == (precise / total if total else 0)


def test_a_claim_spares_the_judge_that_made_it() -> None:
    answer = answer_of(("Sales fell.", (1,)), ("Costs rose.", (2,)), ("Cash grew.", (3, 4)))
    spans = [(0, 11), (12, 23), (24, 34)]
    labels: tuple[Label, ...] = ("supported", "contradicted", "supported")
    ranks = ((1,), (2,), (3, 4))
    claims = tuple(Claim(*span, label, 0.7, r) for span, label, r in zip(spans, labels, ranks, strict=True))
    judge = TableJudge({"Sales fell.": [{1}], "Costs rose.": [], "Cash grew.": [{3}]})
    found = support(answer, Verdict(claims, "table"), judge)
    assert judge.asked == [("Cash grew.", (3,)), ("Cash grew.", (4,)), ("Cash grew.", (3,))]
    assert [s["supported"] for s in found] == [True, False, True]
    assert [s["precise"] for s in found] == [[1], [], [3]]
    other = TableJudge({"Sales fell.": [], "Costs rose.": [{2}], "Cash grew.": [{3}]})
    found = support(answer, Verdict(claims, "another"), other)  # claims of another verifier are not this judge's word
    assert [s["supported"] for s in found] == [False, True, True]


def test_without_a_judge_what_the_claims_do_not_say_is_unknown() -> None:
    answer = answer_of(("Sales fell.", (1,)), ("Costs rose.", (1, 2)))
    claims = (Claim(0, 11, "supported", 0.9, (1,)), Claim(12, 23, "supported", 0.9, (1, 2)))
    found = support(answer, Verdict(claims, "any"))
    assert [s["precise"] for s in found] == [[1], None]
    assert citation_recall(found) == 1
    assert citation_precision(found) is None
    assert citation_recall(support(answer, NONE)) is None
    assert citation_recall([]) is citation_precision([]) is None


def test_a_checker_is_a_judge() -> None:
    class FakeChecker:
        def check(self, answer: Answer) -> Verdict:
            assert {c.rank for c in answer.citations} == {p.rank for p in answer.passages}
            label: Label = "supported" if 2 in {c.rank for c in answer.citations} else "contradicted"
            return Verdict((Claim(0, 5, "supported", 0.8), Claim(5, len(answer.text), label, 0.9)), "fake")

    judge = CheckerJudge(FakeChecker())
    assert judge.judge("Sales fell; costs rose.", passages(2)) == ("supported", 0.8)
    assert judge.judge("Sales fell; costs rose.", passages(1)) == ("contradicted", 0.9)
