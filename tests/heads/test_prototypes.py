import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import PrototypeHead
from nlptl.base.errors import ConfigError


@parametrize_with_checks([PrototypeHead()])
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


def test_prototypes_are_the_means_of_the_classes(clouds):
    X, y = clouds
    head = PrototypeHead().fit(X, y)
    np.testing.assert_allclose(head.prototypes_[1], X[y == 1].mean(axis=0), rtol=1e-5)
    distances = ((X[:, None] - head.prototypes_[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(-head.logits(X), distances, rtol=1e-3, atol=1e-3)
    assert head.predict(X).tolist() == distances.argmin(axis=1).tolist()


def test_shrinking_draws_them_together_and_weights_move_them(clouds):
    X, y = clouds
    apart = np.ptp(PrototypeHead().fit(X, y).prototypes_, axis=0)
    near = np.ptp(PrototypeHead(shrink=0.5).fit(X, y).prototypes_, axis=0)
    np.testing.assert_allclose(near, apart / 2, rtol=1e-4)
    only = np.zeros(90)
    only[[0, 30, 60]] = 1
    np.testing.assert_allclose(
        PrototypeHead().fit(X, y, sample_weight=only).prototypes_, X[[0, 30, 60]], rtol=1e-4
    )


def test_nonsense_is_refused(clouds):
    with pytest.raises(ConfigError, match="shrink must be from 0 to below 1, got 1"):
        PrototypeHead(shrink=1).fit(*clouds)


def test_a_row_of_weight_two_is_the_row_twice_where_prototypes_shrink(clouds):
    X, y = clouds
    weights = np.ones(len(y))
    weights[:5] = 2.0
    once = PrototypeHead(shrink=0.4).fit(X, y, sample_weight=weights)
    twice = PrototypeHead(shrink=0.4).fit(np.concatenate([X, X[:5]]), np.concatenate([y, y[:5]]))
    np.testing.assert_allclose(once.prototypes_, twice.prototypes_, atol=1e-6)
