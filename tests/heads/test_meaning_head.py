import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import DiscriminantHead, LogisticHead, PrototypeHead
from nlptl.base.errors import ConfigError
from nlptl.heads import MeaningHead
from nlptl.heads.meaning_head import DEFAULT_NAME_WEIGHT, NAME_WEIGHT_OF_VERY_FEW_ROWS


@parametrize_with_checks([MeaningHead(base=DiscriminantHead(shrinkage=0.9))])
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


@pytest.fixture
def named(clouds):
    """Points of three classes, and the vector of each name: near its class, but elsewhere."""
    X, y = clouds
    means = np.stack([X[y == code].mean(axis=0) for code in range(3)])
    rng = np.random.default_rng(1)
    return X, y, means + 0.5 * rng.normal(size=means.shape) + 7.0


def test_names_alone_tell_classes_apart(named):
    X, y, names = named
    head = MeaningHead(labels=names).fit(X[:0], y[:0])
    centred = X - X.mean(axis=0)  # where the texts lie is not known without a text
    assert ((centred + names.mean(axis=0)) @ head.coef_.T + head.intercept_).argmax(1).tolist()
    right = head.logits((centred + names.mean(axis=0)).astype(np.float32)).argmax(axis=1) == y
    assert right.mean() > 0.9
    assert head.held_out_ is None and len(head.classes_) == 3


def test_names_help_one_row_a_class_and_step_back_later(named):
    X, y, names = named
    noisy = X + np.random.default_rng(2).normal(size=X.shape).astype(np.float32) * 3
    few = np.array([0, 30, 60])
    base = LogisticHead(C=10.0)
    with_names = MeaningHead(labels=names).fit(noisy[few], y[few])
    alone = base.fit(noisy[few], y[few])
    hits = [(head.logits(X).argmax(axis=1) == y).mean() for head in (with_names, alone)]
    assert hits[0] > hits[1]
    assert with_names.weight_ == NAME_WEIGHT_OF_VERY_FEW_ROWS and with_names.held_out_ is None


def test_names_lead_until_there_are_eight_rows(named):
    X, y, names = named
    few = np.array([0, 30, 60, 1, 31, 61, 2])
    led = MeaningHead(labels=names).fit(X[few], y[few])
    twice = MeaningHead(labels=names, weight=2 * NAME_WEIGHT_OF_VERY_FEW_ROWS).fit(X[few], y[few])
    np.testing.assert_allclose(2 * led.coef_, twice.coef_, rtol=1e-6)
    np.testing.assert_allclose(2 * led.intercept_, twice.intercept_, rtol=1e-5, atol=1e-8)


def test_eight_rows_count_in_full_though_none_can_be_held_out(named):
    X, _, names = named
    codes, wide = np.arange(8), np.random.default_rng(3).normal(size=(8, names.shape[1]))
    head = MeaningHead(labels=wide).fit(X[codes * 11], codes)
    assert head.weight_ == DEFAULT_NAME_WEIGHT and head.held_out_ is None


def test_a_name_is_one_more_row_of_a_prototype(named):
    X, y, names = named
    few = np.array([0, 1, 30, 31, 60, 61])
    head = MeaningHead(base=PrototypeHead(), weight=0.0, labels=names).fit(X[few], y[few])
    moved = names - names.mean(axis=0) + X[few].mean(axis=0)
    rows, codes = np.concatenate([X[few], moved]), np.append(y[few], np.arange(3))
    plain = PrototypeHead().fit(rows, codes)
    apart = head.logits(X) - plain.logits(X)  # alike but for what all classes share
    np.testing.assert_allclose(apart - apart[:, :1], 0, atol=1e-3)
    with_names = MeaningHead(base=PrototypeHead(), labels=names).fit(X, y)
    assert with_names.weight_ > 0
    assert (with_names.logits(X).argmax(axis=1) == y).mean() > 0.9


def test_names_tell_where_the_middle_is_until_rows_do(named):
    X, y, names = named
    few = np.array([0, 30, 60])
    head = MeaningHead(labels=names).fit(X[few], y[few])
    middle = (3 * X[few].mean(axis=0) + 8 * names.mean(axis=0)) / 11
    np.testing.assert_allclose(head.centre_, middle, rtol=1e-5)


def test_held_out_rows_choose_the_weight(named):
    X, y, names = named
    good = MeaningHead(labels=names).fit(X, y)
    wrong = MeaningHead(labels=names[[1, 2, 0]]).fit(X, y)
    assert wrong.weight_ < good.weight_
    assert (wrong.logits(X).argmax(axis=1) == y).mean() > 0.9
    assert good.held_out_.logits.shape == (90, 3)


def test_names_soften_a_tuned_head_less_with_more_classes(named):
    _, _, names = named
    many = MeaningHead(labels=np.tile(names, (30, 1))).tuned_temperature
    assert 1.0 < many < 1.05 < MeaningHead(labels=names).tuned_temperature < 2.0
    assert MeaningHead().tuned_temperature == 1.0


def test_a_weight_of_nought_leaves_a_head_that_saw_the_names_as_rows(named):
    X, y, names = named
    centre = X.mean(axis=0)
    head = MeaningHead(base=LogisticHead(C=1.0), labels=names, weight=0.0).fit(X, y)
    rows = np.concatenate([X, names - names.mean(axis=0) + centre])
    base = LogisticHead(C=1.0).fit(rows, np.append(y, [0, 1, 2]))
    np.testing.assert_allclose(head.coef_, base.coef_, rtol=1e-4, atol=1e-5)


def test_classes_without_rows_are_known(named):
    X, y, names = named
    head = MeaningHead(labels=names).fit(X[y > 0], y[y > 0])
    found = head.logits(X).argmax(axis=1)
    assert found.shape == (90,) and (found[y == 0] == 0).mean() > 0.5


def test_a_further_class_is_known_by_its_name(named):
    X, y, names = named
    head = MeaningHead(labels=names[1:]).fit(X[y > 0], y[y > 0] - 1)
    wider = head.extended(names[1:], names[:1], np.array([2, 0, 1]))
    before = head.logits(X)
    np.testing.assert_allclose(wider.logits(X)[:, 1:], before, rtol=1e-5)
    assert (wider.logits(X)[y == 0].argmax(axis=1) == 0).mean() > 0.5
    assert (wider.logits(X)[y > 0].argmax(axis=1) == y[y > 0]).mean() > 0.9


def test_a_head_that_is_not_linear_is_refused(named):
    X, y, names = named
    with pytest.raises(ConfigError, match="KNeighborsClassifier is not linear"):
        MeaningHead(base=KNeighborsClassifier(), labels=names).fit(X, y)


def test_two_classes_of_scikit_learn_have_one_row_each(named):
    X, y, names = named
    some = y < 2
    base = LogisticRegression()
    for weight in (0.0, 1.0):
        head = MeaningHead(base=base, weight=weight, labels=names[:2]).fit(X[some], y[some])
        assert head.coef_.shape == (2, X.shape[1])
        assert (head.predict(X[some]) == y[some]).mean() > 0.95
