import numpy as np
import pytest
from scipy import stats

from eval.significance import holm, permutation_p


def reference(a: list[float], b: list[float], resamples: int) -> float:
    """The paired test of SciPy: samples are swapped within their pair."""

    def gap(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.nanmean(y, axis=axis) - np.nanmean(x, axis=axis)

    found = stats.permutation_test(
        (a, b), gap, permutation_type="samples", vectorized=True, n_resamples=resamples, rng=np.random.default_rng(1)
    )
    return float(found.pvalue)


def test_by_hand() -> None:
    # all three pairs improve by 1: of 8 sign flips, two (all kept, all turned) are as far out
    assert permutation_p([0, 0, 0], [1, 1, 1]) == 2 / 8
    # +1, +1, -1: the sum is 1; a sum of 1 or 3 in size is always reached
    assert permutation_p([0, 0, 1], [1, 1, 0]) == 1.0
    # +3, +1: sums 4, 2, -2, -4; observed 4
    assert permutation_p([0, 0], [3, 1]) == 2 / 4
    assert permutation_p([1, 2], [1, 2]) == 1.0


def test_pairs_without_a_difference_decide_nothing() -> None:
    a, b = [0.0, 0.0, 0.0] + [0.5] * 500, [1.0, 1.0, 1.0] + [0.5] * 500
    assert permutation_p(a, b) == 2 / 8


@pytest.mark.parametrize("n", [5, 9, 12])
def test_exact_as_scipy(n: int) -> None:
    generator = np.random.default_rng(n)
    a = generator.random(n)
    b = a + generator.normal(0.1, 0.2, n)
    assert permutation_p(list(a), list(b)) == pytest.approx(reference(list(a), list(b), 2**n), abs=1e-12)


def test_random_swaps_agree_with_scipy() -> None:
    generator = np.random.default_rng(5)
    a = generator.random(60)
    b = a + generator.normal(0.08, 0.2, 60)
    ours, theirs = permutation_p(list(a), list(b)), reference(list(a), list(b), 20_000)
    assert ours is not None
    assert 0.01 < theirs < 0.5
    assert ours == pytest.approx(theirs, abs=4 * np.sqrt(theirs * (1 - theirs) / 10_000))


def test_a_metric_that_applies_to_one_side_moves_with_its_pair() -> None:
    a = [1.0, None, 0.0, 1.0, None, 0.0, 1.0]
    b = [1.0, 1.0, None, 1.0, 1.0, 0.0, None]
    nan = [[np.nan if x is None else x for x in side] for side in (a, b)]
    assert permutation_p(a, b) == pytest.approx(reference(nan[0], nan[1], 2**7))
    # one pair, whole on neither side: swapped, side A would be empty, so that nothing is known
    assert permutation_p([1.0, None], [None, 0.0]) == 1.0
    assert permutation_p([None, None], [1.0, 0.0]) is None
    assert permutation_p([], []) is None


def test_seed_makes_it_repeatable_and_p_is_never_zero() -> None:
    a, b = [0.0] * 40, [1.0] * 40
    assert permutation_p(a, b, flips=999) == 1 / 1000
    generator = np.random.default_rng(0)
    x, y = list(generator.random(30)), list(generator.random(30))
    assert permutation_p(x, y, seed=3) == permutation_p(x, y, seed=3) == permutation_p(y, x, seed=3)
    assert permutation_p(x, y, seed=3) != permutation_p(x, y, seed=4)


def test_under_the_null_p_is_not_too_small() -> None:
    generator = np.random.default_rng(7)
    trials = [permutation_p(list(x), list(y), flips=200) for x, y in generator.random((400, 2, 20))]
    share = np.mean([p is not None and p <= 0.1 for p in trials])
    assert 0.05 < share < 0.15


def test_bad_columns_are_told() -> None:
    with pytest.raises(ValueError, match="one length, got 1 and 2"):
        permutation_p([1], [1, 2])
    with pytest.raises(ValueError, match="NaN"):
        permutation_p([1.0, float("nan")], [1.0, 2.0])


def test_holm_by_hand() -> None:
    # Holm (1979): sorted 0.01 x 4 = 0.04, 0.015 x 3 = 0.045, 0.03 x 2 = 0.06, 0.04 x 1 -> not below the one before
    found = holm({"c": 0.03, "a": 0.01, "none": None, "d": 0.04, "b": 0.015})
    assert found == pytest.approx({"c": 0.06, "a": 0.04, "none": None, "d": 0.06, "b": 0.045})
    assert list(found) == ["c", "a", "none", "d", "b"]
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.2}) == {"a": 0.2}
    assert holm({}) == {}
