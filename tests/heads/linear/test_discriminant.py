import tracemalloc

import numpy as np
import pytest
from sklearn.covariance import ShrunkCovariance
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import DiscriminantHead
from nlptl.base.errors import ConfigError
from nlptl.heads.linear.discriminant import _class_means


def folds_differ(head):
    """A row of weight 2 lies in one fold, the same row twice in two: the choice may differ."""
    if head.shrinkage != "cv":
        return {}
    return {"check_sample_weight_equivalence_on_dense_data": "folds differ"}


@parametrize_with_checks(
    [DiscriminantHead(), DiscriminantHead(shrinkage=0.5)], expected_failed_checks=folds_differ
)
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


@pytest.mark.parametrize("shape", [(60, 6), (30, 80)])
def test_it_is_the_formula_also_with_more_columns_than_rows(shape):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, shape[0])
    X = rng.normal(size=shape) + y[:, None]
    means = np.stack([X[y == c].mean(axis=0) for c in range(3)])
    covariance = ShrunkCovariance(shrinkage=0.4, assume_centered=True).fit(X - means[y]).covariance_
    weights = np.linalg.solve(covariance, means.T).T
    bias = np.log(np.bincount(y) / len(y)) - 0.5 * (weights * means).sum(axis=1)
    wanted = X @ weights.T + bias
    found = DiscriminantHead(shrinkage=0.4).fit(X, y).logits(X)
    # Only differences between classes matter: outside the row space all classes are shifted alike.
    np.testing.assert_allclose(found - found[:, :1], wanted - wanted[:, :1], rtol=1e-6, atol=1e-6)


def test_the_shrinkage_is_chosen_where_there_are_rows_to_choose_with(clouds):
    X, y = clouds
    head = DiscriminantHead().fit(X, y)
    assert 0 < head.shrinkage_ <= 1
    assert head.held_out_.logits.shape == (90, 3)
    assert head.score(X, y) > 0.95
    assert DiscriminantHead().fit(X[[0, 1, 30, 31]], y[[0, 1, 30, 31]]).held_out_ is None


def test_heavy_rows_count_as_repetitions(clouds):
    X, y = clouds
    weights = np.where(y == 2, 2.0, 1.0)
    repeated = np.repeat(np.arange(90), weights.astype(int))
    weighed = DiscriminantHead(shrinkage=0.5).fit(X, y, sample_weight=weights)
    again = DiscriminantHead(shrinkage=0.5).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(weighed.predict_proba(X), again.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0, 1.5, "auto"])
def test_nonsense_is_refused(shrinkage, clouds):
    with pytest.raises(ConfigError, match="shrinkage must be 'cv' or above 0"):
        DiscriminantHead(shrinkage=shrinkage).fit(*clouds)


def test_one_row_a_class_is_not_believed_beyond_measure():
    X = np.random.default_rng(0).normal(size=(4, 20))
    head = DiscriminantHead().fit(X, np.arange(4))
    assert head.predict(X).tolist() == [0, 1, 2, 3]
    assert np.abs(head.logits(X)).max() < 1e4


def test_means_of_many_classes_need_no_table_of_classes_by_rows():
    n_classes = 3_000
    codes = np.repeat(np.arange(n_classes), 2)
    X = np.random.default_rng(0).normal(size=(len(codes), 4))
    tracemalloc.start()
    counts, means = _class_means(X, codes, np.ones(len(codes)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts.tolist() == [2.0] * n_classes
    np.testing.assert_allclose(means, X.reshape(n_classes, 2, 4).mean(axis=1))
    assert peak < n_classes * len(codes)  # bytes: an eighth of that table
