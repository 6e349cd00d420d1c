from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chat import fold_system, plain_prompt, spoken
from rag.errors import GenerationError

ASK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who?"},
    {"role": "assistant", "content": "Me."},
    {"role": "user", "content": "Why?"},
]


def pieces(*texts: str) -> Iterator[str]:
    yield from texts


def say(*texts: str, thinking: bool = False) -> str:
    return "".join(spoken(pieces(*texts), thinking=thinking))


def test_the_system_text_moves_into_the_first_user_message() -> None:
    folded = fold_system(ASK)
    assert [m["role"] for m in folded] == ["user", "assistant", "user"]
    assert folded[0]["content"] == "Be brief.\n\nWho?"
    assert ASK[1]["content"] == "Who?"


def test_a_base_model_is_asked_in_plain_words() -> None:
    assert plain_prompt(ASK) == "Be brief.\n\nWho?\n\nAnswer: Me.\n\nWhy?\n\nAnswer:"


@pytest.mark.parametrize("question", ["Question: Who?\nAnswer:", "问题：谁？\n回答："])
def test_a_question_that_asks_for_the_answer_is_left_as_it_is(question: str) -> None:
    assert plain_prompt([{"role": "user", "content": question}]) == question


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (["<think>hm</think>Yes."], "Yes."),
        (["\n<th", "ink>", "h", "m</thi", "nk>", "\n\n", "Yes."], "\n\nYes."),
        (["<think></think>"], ""),
        (["<", "b>", "Yes"], "<b>Yes"),
        (["<thin"], "<thin"),
        (["Yes <think>no</think>"], "Yes <think>no</think>"),
        ([], ""),
    ],
)
def test_leading_thoughts_are_dropped_and_nothing_else(said: list[str], heard: str) -> None:
    assert say(*said).strip() == heard.strip()


def test_thoughts_the_prompt_has_opened_end_where_they_are_shut() -> None:
    assert say("hm, ", "hm</think>", "Yes.", thinking=True) == "Yes."


def test_thoughts_without_end_are_an_error() -> None:
    with pytest.raises(GenerationError, match=r"llm\.max_tokens"):
        say("<think>hm", " hm")


@given(st.text(alphabet="<>think/ ab", max_size=40), st.integers(1, 7))
def test_how_the_text_is_cut_into_pieces_does_not_matter(text: str, size: int) -> None:
    whole = _outcome([text])
    assert _outcome([text[i : i + size] for i in range(0, len(text), size)]) == whole


def _outcome(texts: list[str]) -> str:
    try:
        return say(*texts).strip()
    except GenerationError:
        return "no end"


def test_closing_closes_the_model_behind() -> None:
    closed = []

    def model() -> Iterator[str]:
        try:
            while True:
                yield "word "
        finally:
            closed.append(True)

    heard = spoken(model())
    assert next(heard) == "word "
    heard.close()
    assert closed == [True]
