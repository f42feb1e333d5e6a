import numpy as np
import pytest

from nlptl.base.errors import ConfigError
from nlptl.evaluation.intervals import Interval, resampled_interval
from nlptl.evaluation.prior_gains import PriorGain


def test_many_splits_that_agree_outweigh_experience():
    gains = np.tile([-0.031, -0.029], 10)
    seen = resampled_interval(gains, test_share=0.2)
    assert PriorGain(0.05, 0.05).weighed(seen) == pytest.approx(-0.03, abs=1e-3)


def test_splits_that_disagree_leave_it_to_experience():
    gains = np.tile([-0.53, 0.47], 2)
    seen = resampled_interval(gains, test_share=0.25)
    assert PriorGain(0.05, 0.05).weighed(seen) == pytest.approx(0.05, abs=0.01)


def test_two_splits_that_agree_by_chance_do_not_outweigh_it():
    seen = resampled_interval(np.array([-0.02, -0.02]), test_share=0.2, resolution=1 / 6)
    assert PriorGain(0.05, 0.05).weighed(seen) > 0


def test_the_mean_lies_between_by_precision():
    # The error of the splits is as large as the spread of what was seen: both count alike.
    seen = Interval(-0.02, -0.02 - 0.195996, -0.02 + 0.195996)
    assert PriorGain(0.06, 0.1).weighed(seen) == pytest.approx(0.02, abs=1e-6)
    assert PriorGain(0.06, 0.1).weighed(Interval(-0.02, -0.02, -0.02)) == -0.02


def test_a_spread_of_nought_is_refused():
    with pytest.raises(ConfigError, match="spread must be above 0"):
        PriorGain(0.05, 0.0)
