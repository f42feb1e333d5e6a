import numpy as np
import pytest

from nlptl.base.errors import ConfigError
from nlptl.data.mixing import WAYS, Mixing, apportioned

SIZES = [3000, 300, 30]


@pytest.mark.parametrize("way", WAYS)
def test_each_task_gets_its_share_up_to_rounding(way):
    mixing = Mixing(way)
    order = mixing.order(SIZES, 1000, seed=1)
    counts = np.bincount(order, minlength=3)
    assert counts.sum() == 1000
    assert np.abs(counts - 1000 * mixing.shares(SIZES)).max() < 1


@pytest.mark.parametrize("way", WAYS)
def test_the_order_is_that_of_the_seed(way):
    first, again = (Mixing(way).order(SIZES, 50, seed=3) for _ in range(2))
    assert (first == again).all()
    other = Mixing(way).order(SIZES, 50, seed=4)
    assert (first == other).all() == (way == "round_robin")


def test_temperature_lies_between_sizes_and_equal_shares():
    small = [Mixing("temperature", t).shares(SIZES)[2] for t in (1, 2, 5, 1000)]
    assert small == sorted(small)
    assert small[0] == pytest.approx(30 / 3330) and small[-1] == pytest.approx(1 / 3, abs=0.01)


def test_annealing_goes_from_sizes_towards_equal_shares():
    mixing = Mixing("annealed")
    assert mixing.shares(SIZES, 0.0)[2] == pytest.approx(30 / 3330)
    middle, end = (mixing.shares(SIZES, p)[2] for p in (0.5, 1.0))
    assert 30 / 3330 < middle < end < 1 / 3


def test_whole_numbers_sum_up():
    rng = np.random.default_rng(0)
    for total in (1, 7, 100):
        shares = rng.dirichlet(np.ones(5))
        counts = apportioned(shares, total)
        assert counts.sum() == total and (np.abs(counts - shares * total) < 1).all()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'proportional'"):
        Mixing("proportionel")
    with pytest.raises(ConfigError, match="temperature must be at least 1"):
        Mixing(temperature=0.5)


def test_annealed_shares_cannot_be_mixed_in_a_step():
    with pytest.raises(ConfigError, match="changes the shares during the training"):
        Mixing("annealed", mixed=True)
