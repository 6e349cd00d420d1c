from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fuse import DENSE_WEIGHT, FULL_SCORE, fuse

EN = "which drug lowers blood glucose"
ZH = "哪种药物降低血糖"

rows = st.integers(0, 12)
bm25 = st.lists(st.tuples(rows, st.integers(0, 60).map(float)), max_size=12)
cosines = st.lists(st.tuples(rows, st.integers(-10, 10).map(lambda n: n / 10)), max_size=12)
queries = st.sampled_from([EN, ZH, "", "of the", "EBITDA 2022 二零二二", "🙂"])


def ranks(found: list[tuple[int, float]]) -> list[int]:
    return [row for row, _ in found]


def test_a_row_both_legs_put_first_is_first():
    assert ranks(fuse(EN, [(1, 9.0), (2, 8.0)], [(1, 0.7), (3, 0.6)], k=3))[0] == 1


def test_a_row_found_by_both_beats_one_that_scores_alike_in_one_only():
    lexical = [(1, 20.0), (2, 20.0), (3, 1.0)]
    dense = [(1, 0.6), (3, 0.5), (4, 0.1)]
    assert ranks(fuse(EN, lexical, dense, k=4))[0] == 1


def test_the_lexical_leg_leads_in_chinese_and_meaning_counts_in_english():
    lexical, dense = [(1, 20.0), (2, 10.0)], [(2, 0.9), (1, 0.2)]
    assert ranks(fuse(ZH, lexical, dense, k=2)) == [1, 2]
    assert ranks(fuse(EN, lexical, dense, k=2)) == [2, 1]
    assert DENSE_WEIGHT["zh"] < DENSE_WEIGHT["en"]


def test_a_given_weight_overrules_the_language():
    lexical, dense = [(1, 20.0), (2, 10.0)], [(2, 0.9), (1, 0.2)]
    assert ranks(fuse(ZH, lexical, dense, k=2, dense_weight=0.6)) == [2, 1]
    assert ranks(fuse(EN, lexical, dense, k=2, dense_weight=0.0)) == [1, 2]
    assert ranks(fuse(EN, lexical, dense, k=2, dense_weight=1.0)) == [2, 1]


def test_strong_words_outvote_meaning_and_weak_words_do_not():
    dense = [(2, 0.6), (1, 0.3)]
    assert ranks(fuse(EN, [(1, 40.0)], dense, k=2)) == [1, 2]
    assert ranks(fuse(EN, [(1, 4.0)], dense, k=2)) == [2, 1]


def test_the_same_hit_weighs_less_in_a_longer_question():
    chatty = "my uncle told his neighbour yesterday about tablets against sugar and thirst, is that really a good plan"
    lexical, dense = [(1, 14.0)], [(2, 0.7), (1, 0.1)]
    assert ranks(fuse("glucose", lexical, dense, k=2)) == [1, 2]
    assert ranks(fuse(chatty, lexical, dense, k=2)) == [2, 1]


def test_sure_meaning_counts_for_more_than_the_same_lead_far_down():
    lexical = [(1, 15.0), (2, 12.0)]
    assert ranks(fuse(EN, lexical, [(2, 0.85), (1, 0.78)], k=2)) == [2, 1]
    assert ranks(fuse(EN, lexical, [(2, 0.22), (1, 0.15)], k=2)) == [1, 2]


def test_meaning_that_cannot_tell_rows_apart_leaves_the_words_their_order():
    lexical = [(row, 20.0 - row) for row in range(5)]
    dense = [(4 - row, 0.80 - row / 1000) for row in range(5)]
    assert ranks(fuse(EN, lexical, dense, k=5)) == [0, 1, 2, 3, 4]


def test_a_row_the_dense_leg_did_not_reach_counts_as_its_last():
    found = dict(fuse(EN, [(1, 20.0), (2, 20.0)], [(1, 0.3), (3, 0.6)], k=3))
    assert found[1] == found[2]


def test_one_leg_alone_keeps_its_order():
    leg = [(5, 0.9), (4, 0.5), (3, 0.1)]
    assert ranks(fuse(EN, [], leg, k=3)) == ranks(fuse(EN, leg, [], k=3)) == [5, 4, 3]
    assert ranks(fuse(ZH, [], leg, k=3)) == [5, 4, 3]


def test_nothing_in_nothing_out():
    assert fuse(EN, [], [], k=5) == []
    assert fuse(EN, [(1, 1.0)], [(1, 1.0)], k=0) == []
    assert fuse(EN, [(1, math.nan)], [(1, math.inf)], k=5) == []


def test_a_single_hit_comes_back_whatever_it_scores():
    assert ranks(fuse(EN, [(7, 0.0)], [], k=5)) == [7]
    assert ranks(fuse(EN, [], [(7, -0.2)], k=5)) == [7]


def test_equal_scores_are_ordered_by_row():
    assert ranks(fuse(EN, [(3, 5.0), (1, 5.0), (2, 5.0)], [], k=3)) == [1, 2, 3]


def test_a_row_named_twice_counts_once_with_its_best_score():
    assert fuse(EN, [(1, 2.0), (1, 9.0)], [(2, 0.1), (2, 0.4)], k=5) == fuse(EN, [(1, 9.0)], [(2, 0.4)], k=5)


def test_a_score_that_is_no_number_is_no_hit():
    assert fuse(EN, [(1, 9.0), (2, math.nan)], [(1, 0.4), (3, -math.inf)], k=5) == fuse(EN, [(1, 9.0)], [(1, 0.4)], k=5)


def test_full_marks_in_both_legs_are_one():
    assert fuse("glucose", [(1, FULL_SCORE)], [(1, 1.0)], k=1) == [(1, 1.0)]


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_outside_its_bounds_is_refused_with_its_value(weight: float):
    with pytest.raises(ValueError, match=f"got {weight}"):
        fuse(EN, [(1, 1.0)], [], k=1, dense_weight=weight)


@given(queries, bm25, cosines, st.integers(0, 20))
def test_scores_fall_stay_in_bounds_and_rows_are_those_found(query, lexical, dense, k):
    found = fuse(query, lexical, dense, k=k)
    known = {row for row, _ in lexical} | {row for row, _ in dense}
    scores = [score for _, score in found]
    assert len(found) == min(k, len(known))
    assert len(set(ranks(found))) == len(found)
    assert set(ranks(found)) <= known
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


@given(queries, bm25, cosines, st.randoms(use_true_random=False))
def test_the_order_of_the_input_never_matters(query, lexical, dense, random):
    mixed, turned = lexical[:], dense[:]
    random.shuffle(mixed)
    random.shuffle(turned)
    assert fuse(query, lexical, dense, k=20) == fuse(query, mixed, turned, k=20)


@given(queries, bm25, cosines, st.data())
def test_a_better_score_never_makes_a_row_fall(query, lexical, dense, data):
    name = data.draw(st.sampled_from([n for n, leg in (("lexical", lexical), ("dense", dense)) if leg] or ["none"]))
    if name == "none":
        return
    legs = {"lexical": dict(lexical), "dense": dict(dense)}
    row = data.draw(st.sampled_from(sorted(legs[name])))
    before = ranks(fuse(query, list(legs["lexical"].items()), list(legs["dense"].items()), k=20))
    legs[name][row] += data.draw(st.sampled_from([0.1, 1.0, 50.0]))
    after = ranks(fuse(query, list(legs["lexical"].items()), list(legs["dense"].items()), k=20))
    assert after.index(row) <= before.index(row)


@given(queries, bm25, cosines, st.integers(1, 20))
def test_fewer_wanted_are_the_first_of_more(query, lexical, dense, k):
    assert fuse(query, lexical, dense, k=k) == fuse(query, lexical, dense, k=20)[:k]
