import numpy as np
import pytest

from nlptl.evaluation.domain_distance import (
    collapse_warning,
    domain_accuracy,
    mean_entropy,
    shares_of,
)


def test_equal_domains_are_at_chance_and_distant_ones_are_told_apart():
    rng = np.random.default_rng(0)
    equal = [
        domain_accuracy(rng.normal(size=(80, 4)), rng.normal(size=(80, 4)), seed=s)
        for s in range(5)
    ]
    assert abs(np.mean(equal) - 0.5) < 0.08
    shift = np.array([2.0, 0, 0, 0])
    near, far = (
        domain_accuracy(rng.normal(size=(80, 4)), rng.normal(size=(80, 4)) + k * shift, seed=0)
        for k in (0.5, 5)
    )
    assert 0.6 < near < 0.8 and far == 1.0


def test_rows_that_were_trained_on_do_not_count():
    rng = np.random.default_rng(0)
    accuracy = domain_accuracy(rng.normal(size=(15, 200)), rng.normal(size=(15, 200)), seed=0)
    assert accuracy < 0.75  # a classifier of 30 rows with 200 columns knows all of its own rows


def test_both_domains_have_the_same_number_of_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(400, 3)), rng.normal(size=(20, 3))
    assert domain_accuracy(source, target, seed=0) < 0.75  # always "source" would be 0.95
    assert domain_accuracy(source, target, seed=0) == domain_accuracy(source, target, seed=0)


def test_the_scale_of_the_features_does_not_count():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) + 0.7
    large, small = (domain_accuracy(source * k, target * k, seed=0) for k in (1e3, 1e-3))
    assert large == small > 0.6


def test_a_few_rows_are_too_few():
    rows = np.zeros((9, 2))
    assert domain_accuracy(rows, np.ones((50, 2)), seed=0) is None
    assert domain_accuracy(np.ones((50, 2)), rows, seed=0) is None
    assert domain_accuracy(np.zeros((10, 2)), np.zeros((10, 2)), seed=0) is not None


def test_entropy_and_shares_are_those_of_the_definition():
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    by_hand = [-(0.2 * np.log(0.2) + 0.8 * np.log(0.8)), np.log(2), 0.0]
    assert mean_entropy(probabilities) == pytest.approx(np.mean(by_hand))
    assert shares_of(np.array([[1, 0], [1, 1]]), 2) == (1.0, 0.5)
    assert shares_of(np.array([1, 1, 0, 1]), 2) == (0.25, 0.75)


EVEN = (0.5, 0.5)


@pytest.mark.parametrize(
    ("shares", "source", "before", "entropies", "warned"),
    [
        ((1.0, 0.0), EVEN, EVEN, (0.5, 0.6), "as one class"),
        ((1.0, 0.0), EVEN, (), (None, 0.1), "as one class"),
        ((1.0,), (1.0,), (1.0,), (0.0, 0.0), ""),  # the source has one class, too
        ((0.9, 0.1), EVEN, EVEN, (0.5, 0.2), "differ from those of the source by 40%"),
        ((0.9, 0.1), EVEN, EVEN, (0.5, 0.6), ""),  # not more confident
        ((0.9, 0.1), EVEN, (0.05, 0.95), (0.5, 0.2), ""),  # farther away before
        ((0.7, 0.3), EVEN, EVEN, (0.5, 0.2), ""),
        ((0.9, 0.1), EVEN, (), (None, 0.2), ""),
        ((), (), (), (None, None), ""),
    ],
)
def test_a_collapse_has_two_signs(shares, source, before, entropies, warned):
    warning = collapse_warning(shares, source, shares_before=before, entropies=entropies)
    assert warned in warning and bool(warned) == bool(warning)


@pytest.mark.parametrize(
    ("agreements", "warned"),
    [((0.1, 0.9), True), ((-0.8, 0.9), True), ((0.3, 0.9), False), ((0.1, 0.3), False)],
)
def test_predictions_that_lost_the_classes_are_a_sign(agreements, warned):
    options = {"shares_before": EVEN, "entropies": (0.3, 0.6), "agreements": agreements}
    assert ("by chance" in collapse_warning(EVEN, EVEN, **options)) is warned
