import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nlptl import BlendHead, DiscriminantHead, LogisticHead
from nlptl.base.errors import ConfigError
from nlptl.heads.calibration.decision import best_temperature


def folds_differ(head):
    """A row of weight 2 lies in one fold, the same row twice in two: the choice may differ."""
    return {"check_sample_weight_equivalence_on_dense_data": "folds differ"}


@parametrize_with_checks([BlendHead()], expected_failed_checks=folds_differ)
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


def test_it_is_the_mean_of_both_calibrated(clouds):
    X, y = clouds
    border, shape = LogisticHead().fit(X, y), DiscriminantHead().fit(X, y)
    truth = y[border.held_out_.rows]
    np.testing.assert_array_equal(border.held_out_.rows, shape.held_out_.rows)
    scales = [best_temperature(part.held_out_.logits, truth) for part in (border, shape)]
    wanted = 0.3 * border.logits(X) / scales[0] + 0.7 * shape.logits(X) / scales[1]
    found = BlendHead(share=0.7).fit(X, y)
    np.testing.assert_allclose(found.logits(X), wanted, rtol=1e-3, atol=1e-3)
    assert found.held_out_.logits.shape == (len(truth), 3)


def test_at_the_ends_one_of_them_stands_alone(clouds):
    X, y = clouds
    for share, alone in ((0.0, LogisticHead()), (1.0, DiscriminantHead())):
        mixed = BlendHead(share=share).fit(X, y)
        np.testing.assert_array_equal(mixed.predict(X), alone.fit(X, y).predict(X))


def test_too_few_rows_to_hold_out_leave_the_logistic_regression():
    X, y = np.eye(4), np.array([0, 0, 1, 1])
    head = BlendHead().fit(X, y)
    assert head.held_out_ is None
    np.testing.assert_allclose(head.coef_, LogisticHead().fit(X, y).coef_)


def test_two_views_err_less_than_one_alone():
    # Few rows, many columns, clouds of one common shape and a few rows far out.
    rights = {kind: [] for kind in (BlendHead, LogisticHead, DiscriminantHead)}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        shape = rng.normal(size=(60, 60)) / 8 + np.eye(60)
        centres = rng.normal(size=(4, 60)) * 0.4
        y = rng.integers(0, 4, 1200)
        X = centres[y] + rng.standard_t(4, size=(1200, 60)) @ shape
        for kind, found in rights.items():
            found.append((kind().fit(X[:200], y[:200]).predict(X[200:]) == y[200:]).mean())
    means = {kind: np.mean(found) for kind, found in rights.items()}
    assert means[BlendHead] > (means[LogisticHead] + means[DiscriminantHead]) / 2


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match=r"share must be from 0 to 1, got 1\.5"):
        BlendHead(share=1.5).fit(np.eye(2), [0, 1])
