from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from nlptl import LogisticHead
from nlptl.data.targets import Targets
from nlptl.heads.linear.frame import Frame
from nlptl.heads.linear.towards import DEFAULT_STRENGTH, STRENGTHS, chosen_strength, fit_towards


def rows(n, n_classes=3, seed=0, *, turned=0.0):
    """Return features and classes; ``turned`` changes the direction of the classes."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(n_classes, 5))
    centres += turned * np.random.default_rng(10).normal(size=(n_classes, 5))
    codes = np.arange(n) % n_classes
    return rng.normal(size=(n, 5)) + centres[codes], Targets(codes, n_classes)


@pytest.fixture
def source_head():
    X, targets = rows(300)
    return LogisticHead(C=1.0).fit(X, targets.codes)


def test_a_strong_penalty_keeps_the_first_head(source_head):
    X, targets = rows(60, seed=1, turned=2.0)
    fitted = fit_towards(source_head, X, targets, C=1e-9)
    np.testing.assert_allclose(fitted.coef_, source_head.coef_, atol=1e-6)


def test_a_weak_penalty_forgets_it(source_head):
    X, targets = rows(400, seed=1, turned=2.0)
    fitted = fit_towards(source_head, X, targets, C=1e4)
    alone = LogisticHead(C=1e4).fit(X, targets.codes)
    assert (fitted.predict(X) == alone.predict(X)).mean() > 0.98
    same = (source_head.predict(X) == alone.predict(X)).mean()
    assert same < (fitted.predict(X) == alone.predict(X)).mean() - 0.05


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_from_a_head_of_zeros_it_is_logistic_regression(source_head, make):
    X, targets = rows(90, seed=2)
    zero = source_head.like(np.zeros((3, 5)), np.zeros(3))
    fitted = fit_towards(zero, make(X), targets, C=0.5)
    scale = Frame.of(make(X), None).scale
    # An extra column of ones has the penalty that the intercept has here.
    wide = np.column_stack([X / scale, np.ones(len(X))])
    model = LogisticRegression(C=0.5, fit_intercept=False, max_iter=2000, tol=1e-8)
    model.fit(wide, targets.codes)
    np.testing.assert_allclose(fitted.coef_, model.coef_[:, :-1] / scale, atol=2e-3)
    np.testing.assert_allclose(fitted.intercept_, model.coef_[:, -1], atol=2e-3)


def test_the_strength_does_not_depend_on_the_scale_of_the_features(source_head):
    X, targets = rows(60, seed=4)
    zero = source_head.like(np.zeros((3, 5)), np.zeros(3))
    small, large = (fit_towards(zero, X * by, targets, C=0.1).logits(X * by) for by in (0.1, 10.0))
    np.testing.assert_allclose(small, large, atol=1e-3)


def test_weights_of_rows_count(source_head):
    X, targets = rows(30, seed=3)
    twice = targets.followed_by(targets)
    weighted = replace(targets, weights=np.full(30, 2.0))
    first = fit_towards(source_head, np.concatenate([X, X]), twice, C=0.3)
    second = fit_towards(source_head, X, weighted, C=0.3)
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-3)


def test_the_chosen_strength_is_small_if_the_source_agrees_and_large_if_not(source_head):
    agrees = chosen_strength(source_head, *rows(45, seed=4), seed=0)
    differs = chosen_strength(source_head, *rows(240, seed=4, turned=3.0), seed=0)
    assert agrees < differs and {agrees, differs} <= set(STRENGTHS)


def test_few_rows_get_the_default_strength(source_head):
    assert chosen_strength(source_head, *rows(18), seed=0) == DEFAULT_STRENGTH
