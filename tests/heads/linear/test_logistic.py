import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import LogisticHead
from nlptl.base.errors import ConfigError
from nlptl.heads.calibration import strength
from nlptl.heads.linear import logistic
from nlptl.heads.linear.logistic import DEFAULT_C


def folds_differ(head):
    """A row of weight 2 lies in one fold, the same row twice in two: the choice may differ."""
    checks = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": "folds differ" for kind in checks}


@parametrize_with_checks([LogisticHead()], expected_failed_checks=folds_differ)
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_row_of_weight_two_is_the_same_row_twice(clouds, kind):
    X, y = clouds
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    weighed = LogisticHead(C=1.0).fit(kind(X), y, sample_weight=weights)
    repeated = LogisticHead(C=1.0).fit(kind(np.repeat(X, weights, axis=0)), np.repeat(y, weights))
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), atol=5e-3)


@pytest.mark.parametrize("shape", [(60, 8), (30, 200)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scaling_and_rotation_leave_the_solution_that_of_scikit_learn(shape, n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape) * 3 + 1
    y = rng.integers(0, n_classes, shape[0])
    spread = np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean())
    reference = LogisticRegression(C=2.0, tol=1e-8, max_iter=5000).fit(X / spread, y)
    head = LogisticHead(C=2.0).fit(X, y)
    np.testing.assert_allclose(
        head.predict_proba(X), reference.predict_proba(X / spread), atol=5e-3
    )


def test_sparse_and_dense_features_give_the_same(clouds):
    X, y = clouds
    dense = LogisticHead(C=1.0).fit(X, y).predict_proba(X)
    thin = LogisticHead(C=1.0).fit(sparse.csr_matrix(X), y).predict_proba(sparse.csr_matrix(X))
    np.testing.assert_allclose(dense, thin, atol=1e-2)


def test_the_scale_of_the_features_does_not_matter(clouds):
    X, y = clouds
    small, large = (LogisticHead().fit(X * scale, y) for scale in (1e-3, 1e3))
    assert small.C_ == large.C_
    np.testing.assert_allclose(
        small.predict_proba(X * 1e-3), large.predict_proba(X * 1e3), atol=1e-2
    )


def test_the_strength_is_chosen_by_what_folds_say():
    """Pure noise wants the strongest penalty, clean classes a weak one."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    clean = np.stack([y * 2.0 - 1, rng.normal(size=300) * 0.01], axis=1)
    noise = rng.normal(size=(300, 100))
    head = LogisticHead(criterion="log_loss")
    assert head.fit(noise, y).C_ == 1.0
    assert head.fit(clean, y).C_ == 100.0


def test_held_out_logits_are_of_models_that_did_not_see_the_row():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 150)), rng.integers(0, 2, 200)
    head = LogisticHead(strengths=(100.0,)).fit(X, y)
    seen = (head.predict(X) == y).mean()
    unseen = (head.held_out_.logits.argmax(axis=1) == y[head.held_out_.rows]).mean()
    assert seen > 0.95
    assert unseen < 0.65


def test_too_few_rows_to_choose_take_the_middle():
    X = np.eye(4)
    head = LogisticHead().fit(X, [0, 0, 1, 1])
    assert (head.C_, head.held_out_) == (DEFAULT_C, None)


def test_a_class_with_one_row_is_no_obstacle(clouds):
    X, y = clouds
    head = LogisticHead().fit(np.vstack([X, X[:1] + 50]), [*y, 9])
    assert head.predict(X[:1] + 50).tolist() == [9]


def test_weights_count_as_repetitions(clouds):
    X, y = clouds
    weights = np.where(y == 0, 3.0, 1.0)
    repeated = np.repeat(np.arange(90), weights.astype(int))
    weighed = LogisticHead(C=1.0).fit(X, y, sample_weight=weights).predict_proba(X)
    again = LogisticHead(C=1.0).fit(X[repeated], y[repeated]).predict_proba(X)
    np.testing.assert_allclose(weighed, again, atol=5e-2)


def test_the_same_seed_chooses_alike(clouds):
    X, y = clouds
    first, second = (LogisticHead(seed=3).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, second.coef_)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"C": 0}, "C must be above 0 or 'cv', got 0"),
        ({"C": "auto"}, "got 'auto'"),
        ({"criterion": "f1"}, "criterion must be one of"),
        ({"folds": 1}, "at least 2 folds"),
    ],
)
def test_nonsense_is_refused(options, said, clouds):
    with pytest.raises(ConfigError, match=said):
        LogisticHead(**options).fit(*clouds)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_problem_above_the_limit_of_weights_gets_the_same_answers(kind, clouds, monkeypatch):
    """Also where a fold does not see a column, or a class."""
    X, y = clouds
    X = np.column_stack([X, np.eye(len(y))[:, :5]]).astype(np.float32)
    y = np.append(y[:-1], 9)
    options = {"strengths": (0.1, 0.3), "criterion": "log_loss"}
    small = LogisticHead(**options).fit(kind(X), y)
    monkeypatch.setattr(logistic, "MAX_WEIGHTS_FOR_LBFGS", 1)
    large = LogisticHead(**options).fit(kind(X), y)
    assert large.coef_.dtype == np.float32
    assert np.abs(small.coef_ - large.coef_).max() > 0  # another solver
    assert small.C_ == large.C_
    np.testing.assert_array_equal(small.predict(kind(X)), large.predict(kind(X)))
    np.testing.assert_allclose(
        small.predict_proba(kind(X)), large.predict_proba(kind(X)), atol=1e-3
    )


def test_folds_together_stay_below_twice_the_limit_of_weights(clouds, monkeypatch):
    asked = []
    monkeypatch.setattr(
        strength,
        "map_in_threads",
        lambda function, items, *, at_once: asked.append(at_once) or [*map(function, items)],
    )
    X, y = clouds
    n_weights = len(np.unique(y)) * X.shape[1]
    for limit in (2 * n_weights, 1):
        monkeypatch.setattr(logistic, "MAX_WEIGHTS_FOR_LBFGS", limit)
        LogisticHead().fit(X, y)
    assert asked == [4, 1]


def test_strengths_may_be_an_array_and_warning_filters_stay():
    X, y = np.arange(12.0).reshape(-1, 1), np.repeat([0, 1], 6)
    before = list(warnings.filters)
    head = LogisticHead(strengths=np.array([0.1, 1.0])).fit(X, y)
    assert head.score(X, y) == 1 and warnings.filters == before
