import numpy as np
import pytest

from nlptl.base.errors import InputError
from nlptl.evaluation.bootstrap import bootstrap_interval


def of(values):
    return lambda rows: float(values[rows].mean())


def test_the_interval_is_about_that_of_paired_differences():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    found = bootstrap_interval(of(first), of(second), 400, times=2_000)
    half = 1.96 * (first - second).std() / 20
    assert found.value == pytest.approx((first - second).mean())
    assert found.low == pytest.approx(found.value - half, abs=0.01)
    assert found.high == pytest.approx(found.value + half, abs=0.01)


def test_what_is_hard_for_both_does_not_widen_the_interval():
    hard = np.random.default_rng(0).integers(0, 2, 300)
    better = np.where(np.arange(300) < 30, 1, hard)
    paired = bootstrap_interval(of(better), of(hard), 300)
    other = np.random.default_rng(1).permutation(hard)
    apart = bootstrap_interval(of(better), of(other), 300)
    assert paired.high - paired.low < 0.6 * (apart.high - apart.low)
    assert paired.low > 0


def test_the_same_seed_draws_the_same_rows():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=50), rng.normal(size=50)
    found = [bootstrap_interval(of(first), of(second), 50, seed=s) for s in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_one_row_is_too_few():
    with pytest.raises(InputError, match="two rows"):
        bootstrap_interval(of(np.ones(1)), of(np.ones(1)), 1)
