"""Weights of source rows by kernel mean matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import DomainFeatures, Transfer
from nlptl.transfer.instances.domain_space import in_common_space
from nlptl.transfer.instances.relative_ratio import gaussian_kernel
from nlptl.transfer.instances.source_weights import checked_weights

_MAX_STEPS = 100
_TOLERANCE = 1e-11
"""Largest gap and residuals of the solution, relative to the largest linear term."""

_RIDGE = 1e-10
"""Added to the diagonal, because kernels of similar rows are singular up to rounding."""

_ROWS_FOR_WIDTH = 500


def kernel_mean_weights(
    source: FloatArray, target: FloatArray, *, width: float, bound: float = 10.0, slack: float
) -> FloatArray:
    """Weight source rows so that their mean in the space of a kernel is that of the target [1]_.

    The weights w minimise ``w'Kw / 2 - k'w`` with ``0 <= w <= bound`` and a mean of w between
    ``1 - slack`` and ``1 + slack``. K holds the Gaussian kernels of all pairs of source rows, and
    k the mean kernel of each source row with the target rows, times n_source.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    target : ndarray of shape (n_target, n_features)
    width : float
        Standard deviation of the Gaussian kernel.
    bound : float
        Largest weight.
    slack : float
        Largest distance of the mean weight from 1.

    Returns
    -------
    ndarray of shape (n_source,)

    References
    ----------
    .. [1] Huang et al., "Correcting Sample Selection Bias by Unlabeled Data", NIPS 2006.
    """
    n = len(source)
    kernel = gaussian_kernel(source, source, width)
    means = n * gaussian_kernel(source, target, width).mean(axis=1)
    limits = (n * (1 - slack), n * (1 + slack))
    return bounded_quadratic_minimum(kernel, means, bound=bound, limits=limits)


def bounded_quadratic_minimum(
    matrix: FloatArray, linear: FloatArray, *, bound: float, limits: tuple[float, float]
) -> FloatArray:
    """Return the x with the smallest ``x'Ax / 2 - b'x`` within bounds [1]_.

    Each entry is from 0 to ``bound``, and the sum lies within ``limits``. The solver is a
    primal-dual interior-point method with a predictor and a corrector step. It takes about 20
    Cholesky factorisations.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
        Symmetric and positive semidefinite.
    linear : ndarray of shape (n,)
    bound : float
    limits : (float, float)

    References
    ----------
    .. [1] Nocedal and Wright, "Numerical Optimization", 2006, chapter 16.6.
    """
    n, tolerance = len(linear), _TOLERANCE * max(1.0, float(np.abs(linear).max()))
    matrix = matrix + _RIDGE * np.eye(n)
    right = np.concatenate([np.zeros(n), np.full(n, bound), [-limits[0], limits[1]]])
    x = np.full(n, min(sum(limits) / (2 * n), bound / 2))
    slack, dual = np.maximum(right - _sides(x), 1.0), np.ones(2 * n + 2)
    for _ in range(_MAX_STEPS):
        residuals = matrix @ x - linear + _pulled(dual), _sides(x) + slack - right
        gap = float(slack @ dual) / len(dual)
        if max(gap, *(np.abs(residual).max() for residual in residuals)) < tolerance:
            break
        direction = _Direction(matrix, slack, dual, *residuals)
        _, to_slack, to_dual = direction.towards(slack * dual)
        length = _step_length(slack, to_slack, dual, to_dual)
        predicted = (slack + length * to_slack) @ (dual + length * to_dual) / len(dual)
        centre = (predicted / gap) ** 3 * gap
        step = direction.towards(slack * dual + to_slack * to_dual - centre)
        length = 0.99 * _step_length(slack, step[1], dual, step[2])
        x, slack, dual = (
            now + length * move for now, move in zip((x, slack, dual), step, strict=True)
        )
    return np.clip(x, 0.0, bound)


class _Direction:
    """Newton directions of one step, from one factorisation."""

    def __init__(
        self,
        matrix: FloatArray,
        slack: FloatArray,
        dual: FloatArray,
        gradient: FloatArray,
        distance: FloatArray,
    ) -> None:
        self.slack, self.dual, self.gradient, self.distance = slack, dual, gradient, distance
        ratio, n = dual / slack, len(gradient)
        system = matrix + (ratio[-2] + ratio[-1])
        system[np.diag_indices(n)] += ratio[:n] + ratio[n : 2 * n]
        self.factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)

    def towards(self, products: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the directions of x, the slacks and the duals that remove ``products``."""
        pull = (self.dual * self.distance - products) / self.slack
        of_x = cho_solve(self.factor, -self.gradient - _pulled(pull), check_finite=False)
        of_slack = -self.distance - _sides(of_x)
        return of_x, of_slack, -(products + self.dual * of_slack) / self.slack


def _sides(x: FloatArray) -> FloatArray:
    """Return the left sides of all constraints: -x, x, minus the sum of x, the sum of x."""
    total = x.sum()
    return np.concatenate([-x, x, [-total, total]])


def _pulled(dual: FloatArray) -> FloatArray:
    """Return the product of the transposed constraints and their duals."""
    n = len(dual) // 2 - 1
    pulled: FloatArray = dual[n : 2 * n] - dual[:n] + (dual[-1] - dual[-2])
    return pulled


def _step_length(
    slack: FloatArray, to_slack: FloatArray, dual: FloatArray, to_dual: FloatArray
) -> float:
    """Return the longest step, at most 1, that keeps slacks and duals at 0 or above."""
    values, moves = np.concatenate([slack, dual]), np.concatenate([to_slack, to_dual])
    falling = moves < 0
    return float(min(1.0, (values[falling] / -moves[falling]).min(initial=1.0)))
