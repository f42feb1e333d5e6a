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
_MAX_GAP = 1e-15
"""Limit of the mean product of slacks and multipliers, relative to the largest linear term. It
must be small for weights that are close to a bound to reach it."""

_RIDGE = 1e-10
"""Added to the diagonal, because kernels of similar rows are singular up to rounding."""

_MAX_ROWS_FOR_WIDTH = 1_000


@dataclass(frozen=True)
class KernelMeanMatching(Transfer):
    """Weigh source rows so that they have the mean of the target in the space of a kernel [1]_.

    Pass the target texts to ``fit`` as ``unlabeled``. The weights help in the same cases as those
    of ``DensityRatioWeights``; docs/domains.md has figures of both. The method compares all pairs
    of source rows, so it is for at most a few thousand of them. Labels are not used.

    Parameters
    ----------
    penalty : float
        Penalty on the squared weights, 0 or above. 0 is the published method. It gives most rows
        the weight 0, because kernels of similar rows can replace each other. With 1, the
        correlation with planted true weights was 0.9 instead of 0.4.
    bound : float
        Largest weight before the weights are divided by their mean, above 1.
    max_rows : int
        Maximum number of source rows. With more, ``fit`` raises an error. If there are more target
        rows, a random sample of this size is used.
    n_dimensions : int
        The features of both domains are first reduced to this number of dimensions.

    References
    ----------
    .. [1] Huang et al., "Correcting Sample Selection Bias by Unlabeled Data", NIPS 2006.
    """

    penalty: float = 1.0
    bound: float = 10.0
    max_rows: int = 2_000
    n_dimensions: int = 50

    compares_domains: ClassVar[bool] = True
    weighs_source: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Huang et al. 2006, NIPS"

    def __post_init__(self) -> None:
        rules = {
            "penalty": (self.penalty >= 0, "0 or above"),
            "bound": (self.bound > 1, "above 1"),
            "max_rows": (self.max_rows >= 2, "at least 2"),
            "n_dimensions": (self.n_dimensions >= 1, "at least 1"),
        }
        broken = [
            f"{name} must be {rule}, got {getattr(self, name)!r}"
            for name, (holds, rule) in rules.items()
            if not holds
        ]
        if broken:
            raise ConfigError(f"{'; '.join(broken)}.")

    def weigh(self, features: DomainFeatures) -> FloatArray:
        """Return a weight for each source row, with a mean of 1: (n_source,).

        Raises
        ------
        ConfigError
            If there are too many source rows, or few rows would have nearly all the weight.
        """
        n_source, n_target = features.source.shape[0], features.target.shape[0]
        if n_source > self.max_rows:
            raise ConfigError(
                f"KernelMeanMatching() compares all pairs of source rows, so it takes at most "
                f"max_rows={self.max_rows} of them, got {n_source}. Use DensityRatioWeights(), "
                "pass fewer source rows, or raise max_rows."
            )
        rng = np.random.default_rng(features.seed)
        sample = np.sort(rng.permutation(n_target)[: self.max_rows])
        source, target = in_common_space(
            features.source,
            features.target[sample],
            n_dimensions=self.n_dimensions,
            seed=features.seed,
        )
        some = source[rng.permutation(n_source)[:_MAX_ROWS_FOR_WIDTH]]
        width = float(np.median(cdist(some, target[:_MAX_ROWS_FOR_WIDTH]))) or 1.0
        weights = kernel_mean_weights(
            source, target, width=width, penalty=self.penalty, bound=self.bound
        )
        return checked_weights(weights, method="KernelMeanMatching()")


def kernel_mean_weights(
    source: FloatArray,
    target: FloatArray,
    *,
    width: float,
    penalty: float = 0.0,
    bound: float = 10.0,
) -> FloatArray:
    """Weight source rows so that their mean in the space of a kernel is that of the target.

    The weights w minimise ``w'(K + penalty I)w / 2 - k'w`` with ``0 <= w <= bound`` and a mean of w
    between ``1 - slack`` and ``1 + slack``. K holds the Gaussian kernels of all pairs of source
    rows, k the mean kernel of each source row with the target rows, times n_source. The slack is
    ``(sqrt(n_source) - 1) / sqrt(n_source)``.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    target : ndarray of shape (n_target, n_features)
    width : float
        Standard deviation of the Gaussian kernel.
    penalty : float
        Penalty on the squared weights.
    bound : float
        Largest weight.

    Returns
    -------
    ndarray of shape (n_source,)
    """
    n = len(source)
    kernel = gaussian_kernel(source, source, width) + penalty * np.eye(n)
    means = n * gaussian_kernel(source, target, width).mean(axis=1)
    slack = (np.sqrt(n) - 1) / np.sqrt(n)
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
    n, scale = len(linear), max(1.0, float(np.abs(linear).max()))
    matrix = matrix + _RIDGE * np.eye(n)
    right = np.concatenate([np.zeros(n), np.full(n, bound), [-limits[0], limits[1]]])
    x = np.full(n, min(sum(limits) / (2 * n), bound / 2))
    slack, dual = np.maximum(right - _sides(x), 1.0), np.ones(2 * n + 2)
    for _ in range(_MAX_STEPS):
        residuals = matrix @ x - linear + _pulled(dual), _sides(x) + slack - right
        gap = float(slack @ dual) / len(dual)
        if gap <= _MAX_GAP * scale:
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
    solution: FloatArray = np.clip(x, 0.0, bound)
    return solution


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
        system = matrix.copy()
        system[np.diag_indices(n)] += ratio[:n] + ratio[n : 2 * n]
        self.factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        # The limits of the sum add the same number to all entries of the system. It can be so
        # large that the rest would be lost to rounding, so it is added by Sherman-Morrison.
        self.solved_ones = cho_solve(self.factor, np.ones(n), check_finite=False)
        of_sum = ratio[-2] + ratio[-1]
        self.share = of_sum / (1 + of_sum * self.solved_ones.sum())

    def towards(self, products: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the directions of x, the slacks and the duals that remove ``products``."""
        pull = (self.dual * self.distance - products) / self.slack
        solved = cho_solve(self.factor, -self.gradient - _pulled(pull), check_finite=False)
        of_x = solved - self.share * solved.sum() * self.solved_ones
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
