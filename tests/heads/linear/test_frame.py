import numpy as np
import pytest
from scipy import sparse

from nlptl.heads.linear.frame import Frame, row_space


def test_row_space_keeps_the_rows():
    rows = np.random.default_rng(0).normal(size=(5, 40))
    axes = row_space(rows)
    np.testing.assert_allclose(rows @ axes @ axes.T, rows, atol=1e-8)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_weights_found_in_the_frame_say_the_same_outside_it(shape, kind):
    rng = np.random.default_rng(0)
    X = kind(rng.normal(size=shape) * 4 + 2)
    frame = Frame.of(X, rng.random(shape[0]))
    Z = frame.into(X)
    coef, intercept = rng.normal(size=(3, Z.shape[1])), rng.normal(size=3)
    outside, shift = frame.back(coef, intercept)
    np.testing.assert_allclose(X @ outside.T + shift, Z @ coef.T + intercept, atol=1e-8)


def test_the_scale_is_the_spread_of_the_weighted_rows():
    X = np.array([[0.0, 0.0], [6.0, 8.0], [100.0, 0.0]])
    frame = Frame.of(X, np.array([1.0, 1.0, 0.0]))
    assert frame.scale == pytest.approx(5.0)
    np.testing.assert_allclose(frame.centre, [3.0, 4.0])
