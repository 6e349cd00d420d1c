import random

from hypothesis import given
from hypothesis import strategies as st

from eval.sequence import common_length, common_places

tokens = st.lists(st.sampled_from("abcd净利"), max_size=12)


@given(tokens, tokens)
def test_lengths_and_places_are_those_of_rouge_score(first: list[str], second: list[str]) -> None:
    from rouge_score import rouge_scorer

    assert common_length(first, second) == rouge_scorer._lcs_table(first, second)[-1][-1]
    assert common_places(first, second) == rouge_scorer.lcs_ind(first, second)


def test_by_hand() -> None:
    # A BCB DAB / BDCABA, the textbook pair: BCBA, BDAB or BCAB, length 4
    assert common_length("ABCBDAB", "BDCABA") == 4
    places = common_places("ABCBDAB", "BDCABA")
    assert "".join("ABCBDAB"[i] for i in places) in ("BCBA", "BDAB", "BCAB")
    assert common_places(["净", "利"], ["亏", "损"]) == []
    assert common_length([], ["a"]) == common_length(["a"], []) == 0


def test_longer_than_a_machine_word() -> None:
    drawn = random.Random(0)
    first = [str(drawn.randrange(40)) for _ in range(300)]
    rest = first[::3]
    assert common_length(first, rest) == 100
    assert [first[i] for i in common_places(first, rest)] == rest
