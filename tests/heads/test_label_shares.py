import numpy as np
import pytest
from scipy.special import softmax

from nlptl.heads import LogisticHead
from nlptl.heads.label_shares import fit_shares


def test_shares_are_learnt_and_not_just_the_likeliest_class(clouds):
    X, _ = clouds
    truth = np.random.default_rng(1).normal(size=(12, 3)) * 0.3
    shares = softmax(X @ truth, axis=1)
    head = fit_shares(LogisticHead(C=1e6), X, shares)
    np.testing.assert_allclose(head.predict_proba(X), shares, atol=0.02)
    hard = LogisticHead(C=1e6).fit(X, shares.argmax(axis=1))
    assert np.abs(hard.predict_proba(X) - shares).max() > 0.2


def test_the_strength_is_chosen_on_the_likeliest_classes(clouds):
    X, y = clouds
    shares = np.full((90, 3), 0.05)
    shares[np.arange(90), y] = 0.9
    head = fit_shares(LogisticHead(), X, shares)
    assert head.C_ == LogisticHead().fit(X, y).C_
    assert head.held_out_ is None


def test_a_class_that_is_never_likely_keeps_its_column():
    X = np.random.default_rng(0).normal(size=(40, 4))
    shares = np.tile([0.999, 0.0009, 0.0001], (40, 1))
    head = fit_shares(LogisticHead(), X, shares)
    assert head.predict_proba(X).shape == (40, 3)
    assert head.predict_proba(X).argmax(axis=1).tolist() == [0] * 40


def test_zero_shares_teach_nothing():
    X = np.array([[-1.0], [1.0]])
    head = fit_shares(LogisticHead(C=10.0), X, np.array([[1.0, 0.0], [0.0, 1.0]]))
    plain = LogisticHead(C=10.0).fit(X, [0, 1], np.ones(2))
    np.testing.assert_allclose(head.coef_, plain.coef_, rtol=1e-3)
    assert head.coef_[1, 0] == pytest.approx(-head.coef_[0, 0])
