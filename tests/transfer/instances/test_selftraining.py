import numpy as np
import pytest

from nlptl import SelfTraining
from nlptl.base.errors import ConfigError
from nlptl.transfer.instances.selftraining import estimated_shares, margins_of, most_confident


def binary(first):
    """Return probabilities of two classes."""
    return np.stack([first, 1 - np.asarray(first)], axis=1)


def test_the_most_confident_rows_of_every_class_are_chosen():
    probabilities = binary([0.99, 0.98, 0.97, 0.96, 0.4, 0.45])
    rows, codes = most_confident(probabilities, 0.5)
    assert rows.tolist() == [0, 1, 4] and codes.tolist() == [0, 0, 1]
    assert most_confident(probabilities, 1.0)[0].tolist() == list(range(6))


def test_given_class_shares_are_met():
    probabilities = binary([0.99, 0.98, 0.97, 0.96, 0.6, 0.55, 0.4, 0.45])
    rows, codes = most_confident(probabilities, 0.5, np.array([0.5, 0.5]))
    assert rows.tolist() == [0, 1, 6, 7] and codes.tolist() == [0, 0, 1, 1]
    rows, codes = most_confident(probabilities, 1.0, np.array([0.5, 0.5]))
    assert codes.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]  # two rows are predicted as the other class


def test_a_row_that_two_classes_claim_has_the_class_with_the_higher_margin():
    probabilities = np.array([[0.5, 0.4, 0.1], [0.45, 0.5, 0.05], [0.3, 0.2, 0.5]])
    rows, codes = most_confident(probabilities, 1.0, np.array([2, 2, 2]) / 6)
    assert rows.tolist() == [0, 1, 2] and codes.tolist() == [0, 1, 2]


def test_margins_are_log_odds_against_the_best_other_class():
    probabilities = np.array([[0.6, 0.3, 0.1]])
    expected = np.log([0.6 / 0.3, 0.3 / 0.6, 0.1 / 0.6])
    np.testing.assert_allclose(margins_of(probabilities), [expected])


@pytest.mark.parametrize("share", [0.3, 0.65])
def test_class_shares_of_shifted_rows_are_estimated(share):
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < share
    scores = rng.normal(np.where(truth, 1.0, -1.0))
    probabilities = binary(1 / (1 + np.exp(-2 * scores)))  # exact if both classes are as frequent
    estimate = estimated_shares(probabilities, np.array([0.5, 0.5]))
    assert estimate[0] == pytest.approx(share, abs=0.015)
    assert abs((probabilities[:, 0] > 0.5).mean() - share) > 0.02  # counting is biased


def test_a_small_shift_counts_as_none():
    shares = np.array([0.5, 0.5])
    certain = binary(np.array([0.999] * 55 + [0.001] * 45))
    np.testing.assert_array_equal(estimated_shares(certain, shares), shares)
    assert estimated_shares(certain, shares, min_shift=1.0)[0] == pytest.approx(0.55, abs=0.01)


def test_estimated_shares_stay_within_the_bound():
    certain = binary(np.full(100, 0.999))
    estimate = estimated_shares(certain, np.array([0.25, 0.75]))
    np.testing.assert_allclose(estimate, [0.5, 0.5])
    several = np.tile([[0.91] + [0.01] * 9], (100, 1))
    shares = np.full(10, 0.1)
    np.testing.assert_allclose(estimated_shares(several, shares), [0.2] + [0.8 / 9] * 9)
    shares = np.array([0.25, 0.75])
    np.testing.assert_allclose(estimated_shares(certain, shares, max_shift=1.0), shares)


def test_the_schedule_has_one_share_per_round():
    assert SelfTraining(0.3, rounds=2).schedule == (0.3, 0.3)
    assert SelfTraining([0.2, 0.4]).schedule == (0.2, 0.4)
    assert SelfTraining([0.2, 0.4]) == SelfTraining((0.2, 0.4))


@pytest.mark.parametrize(
    "options",
    [
        {"share": 0.0},
        {"share": 1.1},
        {"share": (0.5, 1.1)},
        {"share": ()},
        {"weight": 0},
        {"rounds": 0},
        {"share": (0.2, 0.4), "rounds": 2},
        {"class_shares": "known"},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        SelfTraining(**options)
