"""Follow-ups made whole from the conversation; a new subject forgets the old one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.question import Question

PEPSICO = "What was PepsiCo's operating profit in 2022?"
MOUTAI = "贵州茅台2022年的营业收入是多少？"
METFORMIN = "What is the maximum dose of metformin in adults?"
ERJIA = "二甲双胍的最大剂量是多少？"


def _read(text: str, *before: str) -> str:
    history = [m for q in before for m in ({"role": "user", "content": q}, {"role": "assistant", "content": "It is."})]
    return Question.read(text, history).text


@pytest.mark.parametrize(
    ("before", "text", "kept", "gone"),
    [
        ([PEPSICO], "And in 2021?", ["PepsiCo", "operating profit", "2021"], ["2022"]),
        ([PEPSICO], "What about Pfizer?", ["Pfizer", "operating profit", "2022"], ["PepsiCo"]),
        ([PEPSICO, "And in FY21?"], "And net income?", ["PepsiCo", "FY21", "net income"], ["2022"]),
        ([MOUTAI], "那2021年呢？", ["贵州茅台", "营业收入", "2021"], ["2022"]),
        ([MOUTAI], "五粮液呢？", ["五粮液", "营业收入", "2022"], ["茅台"]),
        ([MOUTAI, "那2021年呢？"], "净利润呢？", ["贵州茅台", "2021", "净利润"], ["2022"]),
        ([METFORMIN], "what about children?", ["metformin", "maximum dose", "children"], []),
        ([METFORMIN], "How about sitagliptin?", ["maximum dose", "sitagliptin"], ["metformin"]),
        (["What drove Boeing's margin in 2022?"], "Who are its primary customers?", ["Boeing", "customers"], []),
        ([ERJIA], "它有什么副作用？", ["二甲双胍", "副作用"], []),
        ([ERJIA], "儿童呢？", ["二甲双胍", "最大剂量", "儿童"], []),
        ([ERJIA], "格列美脲呢？", ["最大剂量", "格列美脲"], ["二甲双胍"]),
    ],
)
def test_a_follow_up_carries_what_it_does_not_replace(
    before: Sequence[str], text: str, kept: Sequence[str], gone: Sequence[str]
):
    found = _read(text, *before)
    assert all(word in found for word in kept)
    assert not any(word in found for word in gone)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (PEPSICO, "When is metformin contraindicated?"),
        (PEPSICO, "Why does metformin cause lactic acidosis?"),
        (PEPSICO, "Is it safe to take ibuprofen with warfarin?"),
        (PEPSICO, "And what was Apple's total revenue in fiscal 2021?"),
        (MOUTAI, "二甲双胍的禁忌症有哪些？"),
        (ERJIA, "中国平安2021年的净利润是多少？"),
    ],
)
def test_a_question_of_its_own_forgets_the_topic(before: str, text: str):
    assert _read(text, before) == text


def test_without_a_conversation_nothing_is_added():
    assert _read("And in 2021?") == "And in 2021?"
    assert Question.read("那2021年呢？").text == "那2021年呢？"


def test_what_is_borrowed_counts_as_asked():
    asked = Question.read("And in 2021?", [{"role": "user", "content": PEPSICO}])
    assert asked.wants == "quantity"
    assert "2021" in asked.years
    assert "2022" not in asked.years
