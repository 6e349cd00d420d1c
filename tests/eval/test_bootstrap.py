import numpy as np
import pytest

from eval.bootstrap import difference, estimate, statistic


def test_mean_lies_in_its_interval_and_the_seed_decides() -> None:
    values = [0.0, 1.0, 1.0, 0.5, 0.25] * 10
    found = estimate(values, seed=3)
    assert found["value"] == pytest.approx(0.55)
    assert 0 <= found["low"] < found["value"] < found["high"] <= 1
    assert found == estimate(values, seed=3)
    assert found != estimate(values, seed=4)


def test_interval_agrees_with_the_normal_theory() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400).tolist()
    found = estimate(values, resamples=4000)
    half = 1.96 * np.std(values) / 20
    assert found["low"] == pytest.approx(found["value"] - half, abs=0.001)
    assert found["high"] == pytest.approx(found["value"] + half, abs=0.001)


def test_one_example_none_and_unknown_ones() -> None:
    assert estimate([0.25]) == {"value": 0.25, "low": 0.25, "high": 0.25, "n": 1}
    assert estimate([None, 0.25, None])["n"] == 1
    assert estimate([None]) == {"value": None, "low": None, "high": None, "n": 0}


def test_scores_must_be_numbers() -> None:
    with pytest.raises(ValueError, match="finite"):
        estimate([0.5, float("nan")])


def test_more_examples_make_a_narrower_interval() -> None:
    few, many = estimate([0.0, 1.0] * 5), estimate([0.0, 1.0] * 500)
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 5


def test_blocks_cover_all_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.bootstrap._CELLS", 64)
    found = estimate([0.0, 1.0] * 10, resamples=1001)
    assert found["low"] < 0.5 < found["high"]


def test_a_run_does_not_differ_from_itself() -> None:
    scores = [0.1, 0.9, None, 0.4]
    found = difference(scores, scores)
    assert (found["difference"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)
    assert found["n"] == 3


def test_a_clear_difference_is_seen_although_examples_vary_more() -> None:
    noise = np.random.default_rng(0).uniform(0, 0.9, 60)
    found = difference(noise.tolist(), (noise + 0.05).tolist())
    assert found["difference"] == pytest.approx(0.05)
    assert found["low"] == pytest.approx(0.05)
    assert found["p"] == pytest.approx(2 / 2001)


def test_each_side_is_averaged_over_what_applies_to_it() -> None:
    found = difference([1.0, None, 0.0, None], [None, 1.0, 1.0, None])
    assert (found["a"], found["b"], found["n"]) == (0.5, 1.0, 3)


def test_nothing_to_compare() -> None:
    assert difference([None, 1.0], [None, None])["p"] is None
    assert difference([], [])["n"] == 0
    with pytest.raises(ValueError, match="one length"):
        difference([1.0], [])


def test_a_figure_of_the_whole_set_agrees_with_the_mean_it_is() -> None:
    values = np.random.default_rng(3).random(200)
    mean = statistic(lambda rows: float(values[rows].mean()), 200, resamples=1000)
    plain = estimate(list(values), resamples=1000)
    assert mean["value"] == pytest.approx(plain["value"])
    assert mean["low"] == pytest.approx(plain["low"], abs=0.01)
    assert mean["high"] == pytest.approx(plain["high"], abs=0.01)


def test_drawing_whole_groups_widens_the_interval_of_copies() -> None:
    values = np.repeat(np.random.default_rng(4).random(20), 10)
    names = [str(i // 10) for i in range(200)]
    alone = statistic(lambda rows: float(values[rows].mean()), 200, resamples=500)
    together = statistic(lambda rows: float(values[rows].mean()), 200, groups=names, resamples=500)
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])


def test_a_figure_that_does_not_exist_is_none() -> None:
    assert statistic(lambda rows: None, 5)["value"] is None
    assert statistic(lambda rows: 1.0, 0) == {"value": None, "low": None, "high": None, "n": 0}
    with pytest.raises(ValueError, match="need a group for each of 2"):
        statistic(lambda rows: 1.0, 2, groups=["a"])


def test_an_interval_holds_its_value_also_where_drawing_leans_to_one_side() -> None:
    """The number of different values: every draw with repetitions has fewer."""
    found = statistic(lambda drawn: float(len(set(drawn.tolist()))), 40)
    assert found["low"] < found["value"] == found["high"] == 40
