"""Alpha against the worked examples of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eval.krippendorff import alpha

GAP = "."
BINARY = ("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
NOMINAL = ("a a b b d c c c e d d a", "b a b b b c c c e d d d")
FOUR = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


def counts(people: Sequence[str]) -> list[list[int]]:
    table = [row.split() for row in people]
    values = sorted({value for row in table for value in row} - {GAP})
    return [[column.count(value) for value in values] for column in zip(*table, strict=True)]


@pytest.mark.parametrize(
    ("people", "level", "published"),
    [(BINARY, "nominal", 0.095), (NOMINAL, "nominal", 0.692), (FOUR, "nominal", 0.743), (FOUR, "ordinal", 0.815)],
)
def test_the_published_examples(people: Sequence[str], level: str, published: float) -> None:
    found = alpha(counts(people), level, resamples=200)
    assert found["value"] == pytest.approx(published, abs=0.0006)
    assert found["low"] <= found["value"] <= found["high"]


def test_units_with_one_vote_do_not_count() -> None:
    found = alpha(counts(FOUR), "nominal", resamples=10)
    assert found["n"] == 11  # the twelfth unit of the example has a single value


def test_perfect_and_worse_than_chance() -> None:
    assert alpha([[2, 0], [0, 2], [2, 0]], "nominal", resamples=10)["value"] == 1.0
    # two people who never agree: every coincidence is off the diagonal: 1 - 1 / (4 * 4 * 2 / (8 * 7)) = 1 - 7 / 4
    assert alpha([[1, 1]] * 4, "nominal", resamples=10)["value"] == pytest.approx(-0.75)


def test_nothing_to_agree_on_is_none() -> None:
    nothing = {"value": None, "low": None, "high": None}
    assert alpha([[1, 0], [0, 1]], "nominal") == {**nothing, "n": 0}
    assert alpha([], "ordinal") == {**nothing, "n": 0}
    assert alpha([[2, 0], [3, 0]], "ordinal") == {**nothing, "n": 2}


def test_draws_in_which_all_votes_are_alike_are_left_out_of_the_interval() -> None:
    found = alpha([[2, 0], [0, 2]], "nominal", resamples=50)
    assert (found["low"], found["high"]) == (1.0, 1.0)


def test_with_two_values_the_levels_agree() -> None:
    table = counts(BINARY)
    ordinal, nominal = (alpha(table, level, resamples=10)["value"] for level in ("ordinal", "nominal"))
    assert ordinal == pytest.approx(nominal)
