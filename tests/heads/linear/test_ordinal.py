import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import LogisticHead, OrdinalHead
from nlptl.base.errors import ConfigError, InputError
from nlptl.heads.linear.ordinal import maximise_likelihood


def folds_differ(head):
    """A row of weight 2 lies in one fold, the same row twice in two: the choice may differ."""
    if head.C != "cv":
        return {}
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": "folds differ" for kind in kinds}


@parametrize_with_checks([OrdinalHead(), OrdinalHead(C=1.0)], expected_failed_checks=folds_differ)
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def stars():
    """Features with one direction that matters, cut into four unequal steps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 10))
    hidden = X[:, 0] - 0.5 * X[:, 1] + 0.5 * rng.normal(size=160)
    return X, np.digitize(hidden, [-1.2, 0.0, 0.4])


NAMES = np.array(["none", "mild", "strong", "extreme"])
# In the alphabet they stand in another order, and no two of them have just changed places.
ORDER = ("none", "mild", "strong", "extreme")


def test_with_two_classes_it_is_the_logistic_regression(stars):
    X, y = stars
    labels = np.where(y > 1, "yes", "no")
    two, logistic = (kind(C=2.0).fit(X, labels) for kind in (OrdinalHead, LogisticHead))
    np.testing.assert_allclose(two.predict_proba(X), logistic.predict_proba(X), atol=1e-3)


def test_log_odds_of_neighbours_are_parallel(stars):
    head = OrdinalHead(C=3.0).fit(*stars)
    assert head.coef_.shape == (4, 10)
    steps = np.diff(head.coef_, axis=0)
    np.testing.assert_allclose(steps, np.repeat(steps[:1], 3, axis=0))
    np.testing.assert_allclose(head.coef_.sum(axis=0), 0, atol=1e-12)
    assert head.coef_[3] @ np.eye(10)[0] > 0 > head.coef_[3] @ np.eye(10)[1]


def test_nothing_near_the_solution_is_likelier(stars):
    X, y = stars
    weights = np.random.default_rng(1).random(160)
    coef, offsets = maximise_likelihood(X, y, weights, 2.0)
    levels, direction = np.arange(4) - 1.5, coef[1] - coef[0]

    def penalised(direction, offsets):
        logs = log_softmax(np.outer(X @ direction, levels) + offsets, axis=1)
        return 2.0 * weights @ logs[np.arange(160), y] - 0.5 * direction @ direction

    best, rng = penalised(direction, offsets), np.random.default_rng(2)
    for size in (1e-2, 1e-1):
        for _ in range(20):
            moved = direction + size * rng.normal(size=10), offsets + size * rng.normal(size=4)
            assert penalised(*moved) < best


@pytest.mark.parametrize("shape", [(160, 10), (40, 200)])
def test_sparse_dense_and_wide_features_agree(stars, shape):
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape)
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    dense = OrdinalHead(C=1.0).fit(X, y)
    thin = OrdinalHead(C=1.0).fit(sparse.csr_matrix(X), y)
    np.testing.assert_allclose(
        dense.predict_proba(X), thin.predict_proba(sparse.csr_matrix(X)), atol=2e-3
    )
    assert dense.score(X, y) > 0.8


def test_a_named_order_is_that_order(stars):
    X, y = stars
    by_name = OrdinalHead(ORDER, C=3.0).fit(X, NAMES[y])
    by_number = OrdinalHead(C=3.0).fit(X, y)
    assert by_name.classes_.tolist() == sorted(ORDER)
    assert by_name.predict(X).tolist() == NAMES[by_number.predict(X)].tolist()
    columns = np.searchsorted(by_name.classes_, NAMES)
    np.testing.assert_allclose(
        by_name.predict_proba(X)[:, columns], by_number.predict_proba(X), atol=1e-6
    )
    backwards = OrdinalHead(ORDER[::-1], C=3.0).fit(X, NAMES[y])
    np.testing.assert_allclose(backwards.predict_proba(X), by_name.predict_proba(X), atol=1e-3)
    mixed = OrdinalHead(("mild", "extreme", "none", "strong"), C=3.0).fit(X, NAMES[y])
    assert mixed.score(X, NAMES[y]) < by_name.score(X, NAMES[y]) - 0.1


def test_what_the_folds_said_is_in_the_columns_of_the_classes(stars):
    X, y = stars
    head = OrdinalHead(ORDER).fit(X, NAMES[y])
    plain = OrdinalHead().fit(X, y)
    assert head.C_ == plain.C_
    columns = np.searchsorted(head.classes_, NAMES)
    np.testing.assert_allclose(head.held_out_.logits[:, columns], plain.held_out_.logits, atol=1e-5)
    chosen = head.classes_[head.held_out_.logits.argmax(axis=1)]
    assert np.mean(chosen == NAMES[y][head.held_out_.rows]) > 0.5


def test_a_label_of_the_order_that_does_not_occur_leaves_no_gap(stars):
    X, y = stars
    kept = y != 1
    some = OrdinalHead(ORDER, C=3.0).fit(X[kept], NAMES[y[kept]])
    plain = OrdinalHead(C=3.0).fit(X[kept], y[kept])
    assert some.predict(X).tolist() == NAMES[plain.predict(X)].tolist()


def test_the_order_is_put_in_codes():
    head, classes = OrdinalHead(ORDER, C=4.0), np.array(sorted(ORDER))
    coded = head.in_codes(classes)
    assert classes[list(coded.order)].tolist() == list(ORDER)
    assert coded.C == 4.0
    assert head.order == ORDER
    assert head.ranks(classes).tolist() == [3, 1, 0, 2]
    plain = OrdinalHead()
    assert plain.in_codes(np.array([1, 2])) is plain


def test_labels_and_order_must_be_the_same(stars):
    X, y = stars
    with pytest.raises(InputError, match="'extreme' is not in order"):
        OrdinalHead(ORDER[:3]).fit(X, NAMES[y])
    with pytest.raises(InputError, match="contains 'awful', but no training row.*'bad', 'strong'"):
        OrdinalHead(("awful", "bad", "strong")).in_codes(np.array(["bad", "strong"]))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_row_of_weight_two_is_the_same_row_twice(stars, kind):
    X, y = stars
    weights = np.random.default_rng(0).integers(0, 3, 160)
    weighed = OrdinalHead(C=1.0).fit(kind(X), y, sample_weight=weights)
    repeated = OrdinalHead(C=1.0).fit(kind(np.repeat(X, weights, axis=0)), np.repeat(y, weights))
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), atol=1e-3)


def test_one_direction_needs_fewer_rows_than_one_a_class():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1060, 30))
    y = np.digitize(X[:, 0] + 0.3 * rng.normal(size=1060), [-1, -0.3, 0.3, 1])
    errors = {
        kind: np.abs(kind().fit(X[:60], y[:60]).predict(X[60:]) - y[60:]).mean()
        for kind in (OrdinalHead, LogisticHead)
    }
    assert errors[OrdinalHead] < 0.8 * errors[LogisticHead]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"C": 0}, "C must be above 0 or 'cv', got 0"),
        ({"C": "auto"}, "got 'auto'"),
        ({"criterion": "f1"}, "criterion must be one of"),
        ({"folds": 1}, "at least 2 folds"),
        ({"order": "abc"}, "at least two labels, each once, got 'abc'"),
        ({"order": (1, 2, 1)}, "each once"),
        ({"order": (1,)}, "at least two"),
    ],
    ids=repr,
)
def test_nonsense_is_refused(options, said, stars):
    with pytest.raises(ConfigError, match=said):
        OrdinalHead(**options).fit(*stars)


@pytest.mark.parametrize("order", [{"low", "high"}, {"low": 1, "high": 2}, iter(["low", "high"])])
def test_an_order_that_has_none_is_refused(order):
    with pytest.raises(ConfigError, match="order must be a list of at least two labels"):
        OrdinalHead(order=order).fit(np.eye(2), ["low", "high"])
