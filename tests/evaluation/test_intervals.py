import numpy as np
import pytest

from nlptl.base.errors import InputError
from nlptl.evaluation.intervals import (
    bootstrap_interval,
    paired_interval,
    resampled_interval,
    share_interval,
    smallest_effect,
)


def test_the_interval_of_a_share_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for truth in (0.1, 0.5, 0.95):
        hits = rng.binomial(60, truth, 2000)
        found = [share_interval(int(h), 60) for h in hits]
        covered = np.mean([i.low <= truth <= i.high for i in found])
        assert 0.92 < covered < 0.985


def test_shares_at_the_ends_stay_inside():
    assert share_interval(0, 10).low == pytest.approx(0, abs=1e-9)
    assert share_interval(10, 10).high == pytest.approx(1, abs=1e-9)
    with pytest.raises(InputError, match="at least one row, got 0"):
        share_interval(0, 0)


def test_paired_differences_by_hand():
    found = paired_interval(np.array([1.0, 3.0]))
    assert found.value == 2.0
    assert found.high - found.value == pytest.approx(12.706, rel=1e-3)
    with pytest.raises(InputError, match="at least two differences, got 1"):
        paired_interval(np.array([1.0]))


def test_splits_that_share_rows_make_the_interval_wider():
    gains = np.array([0.02, 0.05, 0.03, 0.04])
    plain, corrected = paired_interval(gains), resampled_interval(gains, test_share=0.2)
    assert corrected.value == plain.value
    wider = (corrected.high - corrected.value) / (plain.high - plain.value)
    assert wider == pytest.approx(np.sqrt((1 / 4 + 0.25) / (1 / 4)))
    with pytest.raises(InputError, match="test_share must be between"):
        resampled_interval(gains, test_share=1.0)
    with pytest.raises(InputError, match="at least two"):
        resampled_interval(gains[:1], test_share=0.2)


def test_differences_that_happen_to_be_alike_are_no_proof():
    alike = np.full(2, 0.25)
    sure = resampled_interval(alike, test_share=0.5)
    assert (sure.low, sure.high) == (0.25, 0.25)
    careful = resampled_interval(alike, test_share=0.5, resolution=0.25)
    assert careful.low < 0 < careful.value == 0.25
    many = np.random.default_rng(0).normal(0.1, 0.2, 20)
    assert resampled_interval(many, test_share=0.2, resolution=0.1) == resampled_interval(
        many, test_share=0.2
    )


def of(values):
    return lambda rows: float(values[rows].mean())


def test_a_bootstrap_is_about_as_wide_as_paired_differences_say():
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


def test_one_row_is_too_few_for_a_bootstrap():
    with pytest.raises(InputError, match="two rows"):
        bootstrap_interval(of(np.ones(1)), of(np.ones(1)), 1)


def test_an_interval_of_a_difference_of_accuracies_does_not_leave_its_range():
    gains = np.array([0.1, -0.1])
    free = resampled_interval(gains, test_share=0.5)
    clipped = resampled_interval(gains, test_share=0.5, limit=1.0)
    assert free.low < -1 and free.high > 1
    assert (clipped.value, clipped.low, clipped.high) == (free.value, -1.0, 1.0)


@pytest.mark.parametrize("n", [3, 5, 10, 25])
def test_the_interval_of_the_smallest_effect_excludes_0_in_four_of_five_trials(n):
    rng = np.random.default_rng(0)
    sample = rng.normal(0.0, 0.1, size=(4_000, n))
    effect = smallest_effect(paired_interval(sample[0] / sample[0].std(ddof=1) * 0.1), n)
    lows = [paired_interval(part + effect).low for part in sample]
    assert np.mean(np.array(lows) > 0) == pytest.approx(0.8, abs=0.02)
