import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut

from nlptl.transfer.features import layer_weights
from nlptl.transfer.features.layer_weights import choose_weights, leave_one_out_error, weigh

GROUPS = (("low", 4), ("high", 3))


@pytest.mark.parametrize("width", [6, 60], ids=["more rows", "more columns"])
@pytest.mark.parametrize("penalty", [0.01, 0.5, 10.0])
def test_the_closed_form_is_ridge_regression_refitted_for_every_row(monkeypatch, width, penalty):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(25, width)), np.eye(3)[rng.integers(0, 3, 25)]
    monkeypatch.setattr(layer_weights, "RIDGES", np.array([penalty]))
    centred = X - X.mean(axis=0)
    ridge = penalty * np.linalg.eigvalsh(centred @ centred.T).mean()
    errors = []
    for seen, (hidden,) in LeaveOneOut().split(X):
        guess = Ridge(alpha=ridge).fit(X[seen], Y[seen]).predict(X[hidden : hidden + 1])[0]
        errors.append((Y[hidden] - guess) ** 2)
    wanted = np.sum(errors, axis=1).mean()
    assert leave_one_out_error(X, Y) == pytest.approx(wanted, rel=1e-6)


def test_noise_has_no_smaller_error_than_the_shares_of_the_classes():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 500)), np.eye(2)[np.arange(40) % 2]
    assert leave_one_out_error(X, Y) > 0.5


def test_the_group_that_carries_the_classes_is_chosen():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    signal = y[:, None] * 2.0 + rng.normal(size=(200, 4)) * 0.7
    noise = rng.normal(size=(200, 80)) * 3
    X = np.concatenate([signal, noise], axis=1)
    candidates = [np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.array([1.0, 0.0])]
    chosen = choose_weights(X, (("a", 4), ("b", 80)), candidates, np.eye(2)[y])
    assert chosen.tolist() == [1.0, 0.0]


def test_weighing_scales_and_drops_groups():
    X = np.arange(14.0).reshape(2, 7)
    np.testing.assert_array_equal(
        weigh(X, GROUPS, np.array([0.5, 1])), X * [0.5] * 1 * np.array([1, 1, 1, 1, 2, 2, 2])
    )
    np.testing.assert_array_equal(weigh(X, GROUPS, np.array([0.0, 1])), X[:, 4:])
    assert weigh(X, GROUPS, np.ones(2)) is X
