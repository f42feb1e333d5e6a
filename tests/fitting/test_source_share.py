from dataclasses import replace

import numpy as np
import pytest

from nlptl import SourceRows
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.source_share import chosen_share, share_factors, weighted_source, with_share
from nlptl.fitting.training_data import TrainingData


def data_of(n_target, n_source, weights=None):
    """Return data with labelled target rows and extra rows of a source."""
    target = Targets(np.arange(n_target) % 2, 2, weights)
    source = Targets(np.arange(n_source) % 2, 2, domains=np.ones(n_source, dtype=np.int64))
    texts = [f"target {i}" for i in range(n_target)], [f"source {i}" for i in range(n_source)]
    return TrainingData(Rows(texts[0]), target, None, extra=(Rows(texts[1]), source))


def test_the_source_has_its_share_of_the_total_weight():
    data = with_share(data_of(4, 16, np.array([1.0, 1.0, 1.0, 5.0])), 0.75)
    weights = data.all_rows[1].weights
    assert weights[:4].sum() == pytest.approx(5.0) and weights[4:].sum() == pytest.approx(15.0)
    assert weights[3] == pytest.approx(5 * weights[0])


def test_a_share_of_zero_leaves_the_source_out_but_not_other_rows():
    data = data_of(4, 6)
    copies = Targets(np.array([0, 1]), 2)
    both = with_share(data.with_extra(Rows(["a copy", "another copy"]), copies), 0.0)
    assert both.extra[0].texts == ["a copy", "another copy"] and len(both.rows) == 4
    assert with_share(data, 0.0).extra is None


@pytest.mark.parametrize(("n_target", "share"), [(20, 0.75), (99, 0.75), (100, 0.5), (400, 0.5)])
def test_the_first_share_depends_on_the_number_of_target_rows(n_target, share):
    targets = weighted_source(data_of(n_target, 300), SourceRows()).all_rows[1]
    of_source = targets.weights[targets.domains > 0].sum() / targets.weights.sum()
    assert of_source == pytest.approx(share)


def test_a_weight_is_a_weight_per_row():
    targets = weighted_source(data_of(3, 5), SourceRows(weight=0.25)).all_rows[1]
    assert targets.weights.tolist() == [1.0] * 3 + [0.25] * 5


def planted(n_target, *, agrees, seed=0):
    """Return features and targets of a source that has the labels of the target, or others."""
    rng = np.random.default_rng(seed)
    n = n_target + 400
    X = rng.normal(size=(n, 20)).astype(np.float32)
    truth = (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(np.int64)
    domains = (np.arange(n) >= n_target).astype(np.int64)
    codes = truth if agrees else np.where(domains == 1, rng.integers(0, 2, n), truth)
    return X, Targets(codes, 2, domains=domains)


def test_a_source_of_random_labels_is_left_out():
    X, targets = planted(150, agrees=False)
    assert chosen_share(X, targets, seed=0) == 0.0


def test_a_source_that_agrees_has_a_large_share():
    X, targets = planted(120, agrees=True)
    assert chosen_share(X, targets, seed=0) >= 0.5


def test_no_share_is_chosen_without_enough_rows_or_for_other_labels():
    X, targets = planted(99, agrees=True)
    assert chosen_share(X, targets, seed=0) is None
    X, targets = planted(150, agrees=True)
    numbers = replace(targets, codes=targets.codes.astype(float), n_outputs=1)
    several = replace(targets, codes=targets.one_hot.astype(np.int64))
    assert chosen_share(X, numbers, seed=0) is None and chosen_share(X, several, seed=0) is None


def test_factors_keep_the_number_of_rows_as_total_weight():
    targets = data_of(10, 30).all_rows[1]
    factors = share_factors(targets, 0.25)
    assert factors.sum() == pytest.approx(40) and factors[-1] * 30 == pytest.approx(10)


def test_a_chosen_share_of_zero_gives_the_target_rows_a_mean_weight_of_one():
    mixed = weighted_source(data_of(120, 800), SourceRows())
    assert mixed.targets.weights.mean() > 3
    assert with_share(mixed, 0.0).targets.weights.tolist() == pytest.approx([1.0] * 120)


def test_a_class_that_only_the_source_has_keeps_the_source():
    X, targets = planted(200, agrees=False)
    assert chosen_share(X, targets, seed=0) == 0.0
    codes = targets.codes.copy()
    codes[np.flatnonzero(targets.domains > 0)[:5]] = 2
    assert chosen_share(X, replace(targets, codes=codes, n_outputs=3), seed=0) > 0.0


def test_edited_copies_are_no_target_rows():
    copies = Targets(np.arange(80) % 2, 2)
    data = data_of(40, 300).with_extra(Rows(["a copy"] * 80), copies)
    targets = weighted_source(data, SourceRows()).all_rows[1]
    of_source = targets.weights[targets.domain_numbers > 0].sum() / targets.weights.sum()
    assert of_source == pytest.approx(0.75)


def test_a_source_with_a_rare_class_that_the_target_lacks_is_not_left_out():
    X = np.arange(10_124)[:, None] % 2.0
    codes = 2 * (np.arange(10_124) % 2)
    codes[120:] = 2 - codes[120:]  # all labels of the source are wrong
    codes[5_000] = 1  # one source row: it is not in a sample of 2,000
    domains = np.repeat([0, 1], [120, 10_004])
    assert chosen_share(X, Targets(codes, 3, domains=domains), seed=0) > 0
    codes[5_000] = 0
    assert chosen_share(X, Targets(codes, 3, domains=domains), seed=0) == 0
