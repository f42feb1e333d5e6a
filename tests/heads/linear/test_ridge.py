import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import RidgeHead
from nlptl.base.errors import ConfigError
from nlptl.heads.linear import ridge
from nlptl.heads.linear.ridge import leave_one_out_errors

KINDS = [np.asarray, sparse.csr_matrix]


def rows_left_out_differ(head):
    """Leaving out a row of weight 2 leaves out both copies of it: the choice may differ."""
    if head.alpha != "loo":
        return {}
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": "rows differ" for kind in kinds}


@parametrize_with_checks(
    [RidgeHead(), RidgeHead(alpha=0.5)], expected_failed_checks=rows_left_out_differ
)
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


def made(shape=(60, 8), *, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=shape) * 3 + 2
    y = X @ rng.normal(size=shape[1]) + noise * rng.normal(size=shape[0]) + 40
    return X, y, rng.integers(1, 4, shape[0]).astype(float)


def spread(X, weights):
    moved = X - np.average(X, axis=0, weights=weights)
    return np.sqrt(np.average((moved**2).sum(axis=1), weights=weights))


@pytest.mark.parametrize("shape", [(60, 8), (20, 50)])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_ridge_regression_on_features_of_spread_one(shape, kind):
    X, y, weights = made(shape)
    reference = Ridge(alpha=0.7, solver="cholesky").fit(X / spread(X, weights), y, weights)
    head = RidgeHead(alpha=0.7).fit(kind(X), y, sample_weight=weights)
    np.testing.assert_allclose(
        head.predict(kind(X)), reference.predict(X / spread(X, weights)), rtol=1e-6
    )
    assert head.coef_.shape == (1, shape[1])
    assert head.intercept_.shape == (1,)
    assert head.coef_.dtype == np.float64


@pytest.mark.parametrize("shape", [(30, 6), (12, 40), (12, 12)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_error_of_rows_left_out_is_that_of_fits_without_them(shape, kind):
    X, y, weights = made(shape)
    alphas = (0.01, 1.0, 30.0)
    found = leave_one_out_errors(kind(X), y, weights, alphas)
    unit = spread(X, weights) ** 2
    for alpha, error in zip(alphas, found, strict=True):
        wrong = []
        for row in range(len(X)):
            seen = np.arange(len(X)) != row
            left = Ridge(alpha=alpha * unit, solver="cholesky")
            left.fit(X[seen], y[seen], sample_weight=weights[seen])
            wrong.append((y[row] - left.predict(X[row : row + 1])[0]) ** 2)
        assert error == pytest.approx(np.average(wrong, weights=weights), rel=1e-6)


def test_the_strength_with_the_least_error_is_taken():
    X, y, weights = made((40, 20), noise=8.0)
    head = RidgeHead().fit(X, y, sample_weight=weights)
    errors = leave_one_out_errors(X, y, weights, head.alphas)
    assert head.alpha_ == head.alphas[int(errors.argmin())]
    assert head.alphas[0] < head.alpha_ < head.alphas[-1]
    clean = RidgeHead().fit(X, X @ np.ones(20))
    assert clean.alpha_ == clean.alphas[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_two_is_the_same_row_twice_and_of_none_is_not_there(kind):
    X, y, _ = made()
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    weighed = RidgeHead(alpha=1.0).fit(kind(X), y, sample_weight=weights)
    repeated = RidgeHead(alpha=1.0).fit(kind(np.repeat(X, weights, axis=0)), np.repeat(y, weights))
    np.testing.assert_allclose(weighed.coef_, repeated.coef_, rtol=1e-6)
    y_wild = np.where(weights == 0, 1e6, y)
    wild = RidgeHead().fit(kind(X), y_wild, sample_weight=weights)
    calm = RidgeHead().fit(kind(X), y, sample_weight=weights)
    np.testing.assert_allclose(wild.coef_, calm.coef_, rtol=1e-6)


def test_units_of_features_and_numbers_do_not_matter():
    X, y, _ = made((50, 70))
    plain, other = RidgeHead().fit(X, y), RidgeHead().fit(X * 1e4, y * 1e-3 - 5)
    assert plain.alpha_ == other.alpha_
    np.testing.assert_allclose(other.predict(X * 1e4), plain.predict(X) * 1e-3 - 5, rtol=1e-6)


def test_with_many_rows_a_sample_chooses_and_all_are_learnt_from(monkeypatch):
    X, y, _ = made((200, 5), noise=3.0)
    asked = []
    real = ridge.leave_one_out_errors
    monkeypatch.setattr(ridge, "MAX_ROWS_TO_CHOOSE_ON", 50)
    monkeypatch.setattr(
        ridge, "leave_one_out_errors", lambda *given: asked.append(len(given[1])) or real(*given)
    )
    head = RidgeHead().fit(X, y)
    assert asked == [50]
    again = RidgeHead(alpha=head.alpha_).fit(X, y)
    np.testing.assert_array_equal(head.coef_, again.coef_)


def test_features_that_are_all_alike_predict_the_mean():
    head = RidgeHead().fit(np.ones((6, 3)), np.arange(6.0))
    np.testing.assert_allclose(head.predict(np.ones((2, 3))), 2.5)


def test_it_becomes_a_layer_of_the_same_shape():
    assert tuple(RidgeHead().build(7, 1).weight.shape) == (1, 7)


@pytest.mark.parametrize(
    "options", [{"alpha": 0}, {"alpha": "cv"}, {"alphas": ()}, {"alphas": (1.0, -1.0)}], ids=repr
)
def test_nonsense_is_refused(options):
    X, y, _ = made()
    with pytest.raises(ConfigError, match="alpha must be above 0 or 'loo'"):
        RidgeHead(**options).fit(X, y)


def test_candidates_may_be_an_array():
    X, y = np.arange(8.0).reshape(-1, 1), np.arange(8.0)
    assert RidgeHead(alphas=np.logspace(-3, 3, 7)).fit(X, y).predict(X) == pytest.approx(y, abs=0.1)
    with pytest.raises(ConfigError, match="numbers above 0"):
        RidgeHead(alphas=np.array([])).fit(X, y)
