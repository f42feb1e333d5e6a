import numpy as np
import pytest

from nlptl import BlendHead, DiscriminantHead, LogisticHead
from nlptl.heads.linear import block_solver
from nlptl.heads.linear.block_solver import BlockProblem, RowsInFrame, blocks
from nlptl.heads.linear.frame import Frame


def rows_of(n_classes, *, n=900, d=12, seed=0):
    """Rows of overlapping classes, the first of them the most frequent."""
    rng = np.random.default_rng(seed)
    y = np.minimum(rng.integers(0, n_classes + 2, n), n_classes - 1)
    X = rng.normal(size=(n, d)) + 1.5 * rng.normal(size=(n_classes, d))[y] / np.sqrt(d) + 3
    return X.astype(np.float32), y


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(block_solver, "ROWS_PER_BLOCK", 100)


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("head", [LogisticHead(C=3.0), LogisticHead(), BlendHead()])
def test_a_fit_in_blocks_is_that_of_scikit_learn(
    n_classes, weighted, head, small_blocks, monkeypatch
):
    X, y = rows_of(n_classes)
    weights = np.linspace(0.2, 3, len(y)) if weighted else None
    whole = type(head)(**head.get_params()).fit(X, y, weights)
    monkeypatch.setattr(block_solver, "MANY_NUMBERS", 0)
    in_blocks = type(head)(**head.get_params()).fit(X, y, weights)
    difference = np.abs(in_blocks.predict_proba(X) - whole.predict_proba(X))
    assert difference.max() < 0.01
    assert in_blocks.coef_.shape == whole.coef_.shape
    assert getattr(in_blocks, "C_", 0) == getattr(whole, "C_", 0)
    if whole.held_out_ is not None:
        np.testing.assert_array_equal(in_blocks.held_out_.rows, whole.held_out_.rows)
        np.testing.assert_allclose(in_blocks.held_out_.logits, whole.held_out_.logits, atol=1e-3)


def test_the_gradient_is_the_slope_of_the_loss(small_blocks):
    X, y = rows_of(3, n=250, d=4)
    problem = BlockProblem(X.astype(float), Frame.of(X, None), y, np.linspace(0.5, 2, 250), 2.0)
    point = np.random.default_rng(0).normal(size=15)
    _, gradient = problem._loss(point)
    for place in range(15):
        step = np.zeros(15)
        step[place] = 1e-5
        slope = (problem._loss(point + step)[0] - problem._loss(point - step)[0]) / 2e-5
        assert slope == pytest.approx(gradient[place], abs=1e-6)


def test_scores_that_are_sure_and_wrong_have_a_finite_loss():
    X, y = rows_of(3, n=60, d=4)
    problem = BlockProblem(X * 1e4, Frame(1.0, np.zeros(4, np.float32), None), y, None, 1.0)
    loss, gradient = problem._loss(np.full(15, 10.0) * np.arange(15))
    assert np.isfinite(loss) and np.isfinite(gradient).all()


def test_the_features_are_never_copied_as_a_whole(monkeypatch):
    import tracemalloc

    X, y = rows_of(4, n=60_000, d=64)
    monkeypatch.setattr(block_solver, "MANY_NUMBERS", 0)
    monkeypatch.setattr(block_solver, "ROWS_PER_BLOCK", 2048)
    tracemalloc.start()
    LogisticHead(C=1.0).fit(X, y)
    DiscriminantHead(shrinkage=0.9).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.7 * X.nbytes


def test_more_columns_than_rows_are_rotated_as_before(monkeypatch):
    X, y = rows_of(3, n=40, d=90)
    whole = LogisticHead(C=3.0).fit(X, y)
    monkeypatch.setattr(block_solver, "MANY_NUMBERS", 0)
    np.testing.assert_array_equal(LogisticHead(C=3.0).fit(X, y).coef_, whole.coef_)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_size_of_the_blocks_does_not_change_a_discriminant(monkeypatch, weighted):
    X, y = rows_of(4)
    order = np.argsort(y)  # so that most blocks lack most classes
    weights = np.linspace(0.2, 3, len(y)) if weighted else None
    whole = DiscriminantHead(shrinkage=0.6).fit(X[order], y[order], weights)
    monkeypatch.setattr(block_solver, "ROWS_PER_BLOCK", 70)
    in_blocks = DiscriminantHead(shrinkage=0.6).fit(X[order], y[order], weights)
    np.testing.assert_allclose(in_blocks.coef_, whole.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(in_blocks.intercept_, whole.intercept_, rtol=1e-6)


def test_blocks_cover_each_row_once(small_blocks):
    covered = np.concatenate([np.arange(250)[block] for block in blocks(250)])
    assert covered.tolist() == list(range(250))


def test_selected_rows_are_in_the_coordinates_of_the_solver():
    X, _ = rows_of(2, n=50, d=4)
    frame = Frame.of(X, None)
    rows = np.array([3, 1])
    np.testing.assert_allclose(RowsInFrame(X, frame)[rows], frame.into(X)[rows], atol=1e-6)
