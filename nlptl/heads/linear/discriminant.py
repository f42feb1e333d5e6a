"""Linear discriminant analysis with shrinkage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.heads.calibration.strength import Chooser, Fold
from nlptl.heads.linear.block_solver import blocks
from nlptl.heads.linear.frame import row_space
from nlptl.heads.score_heads import LinearScores

SHRINKAGES = (0.3, 0.6, 0.8, 0.9, 0.95, 0.99)
DEFAULT_SHRINKAGE = 0.95
_MIN_WITHIN_VARIANCE = 0.05
"""Minimum spherical variance, as a share of the variance between class means."""


class DiscriminantHead(LinearScores):
    """Linear discriminant analysis with covariance shrinkage towards a sphere [1]_.

    Parameters
    ----------
    shrinkage : float or "cv"
        Share of the spherical covariance, above 0 and up to 1. ``"cv"`` chooses it by
        cross-validation, because the common estimate [2]_ optimises the covariance, not the
        classification.
    seed : int
        Seed of the assignment of rows to folds.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    shrinkage_ : float
        Shrinkage used.
    held_out_ : HeldOut or None
        Logits of held-out rows from the cross-validation that chose the shrinkage.

    References
    ----------
    .. [1] Friedman, "Regularized Discriminant Analysis", JASA 1989.
    .. [2] Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", 2004.
    """

    def __init__(self, *, shrinkage: float | str = "cv", seed: int = 0) -> None:
        self.shrinkage = shrinkage
        self.seed = seed

    def fit(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Choose the shrinkage, then estimate the class means and the common covariance.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If the shrinkage is out of range.
        """
        if self.shrinkage != "cv" and (
            isinstance(self.shrinkage, str) or not 0 < self.shrinkage <= 1
        ):
            raise ConfigError(
                f"shrinkage must be 'cv' or above 0 and at most 1, got {self.shrinkage!r}."
            )
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Expected at least 2 classes, got 1 class: {self.classes_[0]!r}.")
        self.shrinkage_, self.held_out_ = DEFAULT_SHRINKAGE, None
        if self.shrinkage != "cv":
            self.shrinkage_ = float(self.shrinkage)
        else:
            chooser = Chooser("accuracy", 5, self.seed)
            chosen = chooser.choose(X, codes, weights, SHRINKAGES, _path)
            self.shrinkage_, self.held_out_ = chosen or (DEFAULT_SHRINKAGE, None)
        clouds = _Clouds.of(X, codes, weights)
        self.coef_, self.intercept_ = clouds.weights_at(self.shrinkage_)
        return self


@dataclass(frozen=True)
class _Clouds:
    """Class means and the common covariance, in axes that make the covariance diagonal.

    Attributes
    ----------
    means : ndarray of shape (n_classes, n_features)
    log_priors : ndarray of shape (n_classes,)
    axes : ndarray of shape (n_features, n_axes)
        If there are more columns than rows, only the span of the rows and means: outside it
        the shrunk covariance is spherical and all class means are 0.
    variances : ndarray of shape (n_axes,)
    ball : float
        Variance of the spherical covariance: the mean variance over all features.
    """

    means: FloatArray
    log_priors: FloatArray
    axes: FloatArray
    variances: FloatArray
    ball: float

    @classmethod
    def of(cls, X: FloatArray, codes: IntArray, weights: FloatArray | None) -> _Clouds:
        row_weights = np.ones(len(X)) if weights is None else np.maximum(weights, 1e-12)
        counts, means = _class_means(X, codes, row_weights)
        factors = np.sqrt(row_weights / row_weights.mean())[:, None]
        n, d = X.shape
        if d > n + len(means):
            deviations = (X - means[codes]).astype(np.float64) * factors
            axes = row_space(np.concatenate([deviations, means]))
            rotated = deviations @ axes
            covariance, total = rotated.T @ rotated, float((deviations**2).sum())
        else:
            axes, covariance = np.eye(d), np.zeros((d, d))
            for block in blocks(n):
                deviations = (X[block] - means[codes[block]]).astype(np.float64) * factors[block]
                covariance += deviations.T @ deviations
            total = float(np.trace(covariance))
        variances, rotation = np.linalg.eigh(covariance / n)
        priors = counts / counts.sum()
        between = means - means.mean(axis=0)
        # With one row per class, the variance within classes is 0 and needs a lower limit.
        ball = max(total / (n * d), _MIN_WITHIN_VARIANCE * float((between**2).mean()))
        return cls(means, np.log(priors), axes @ rotation, np.maximum(variances, 0.0), ball)

    def weights_at(self, shrinkage: float) -> tuple[FloatArray, FloatArray]:
        shrunk = (1 - shrinkage) * self.variances + shrinkage * self.ball + 1e-12
        coef = ((self.means @ self.axes) / shrunk) @ self.axes.T
        return coef, self.log_priors - 0.5 * np.einsum("kd,kd->k", coef, self.means)


def _class_means(
    X: FloatArray, codes: IntArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the total weight (n_classes,) and the mean (n_classes, n_features) of each class."""
    n_classes = int(codes.max()) + 1
    counts, sums = np.zeros(n_classes), np.zeros((n_classes, X.shape[1]))
    for block in blocks(len(codes)):
        present, places = np.unique(codes[block], return_inverse=True)
        n_rows = len(places)
        parts = (weights[block], (places, np.arange(n_rows)))
        membership = sparse.csr_matrix(parts, shape=(len(present), n_rows))
        counts[present] += np.asarray(membership.sum(axis=1)).ravel()
        sums[present] += membership @ X[block]
    return counts, sums / counts[:, None]


def _path(fold: Fold, strengths: Sequence[float]) -> list[FloatArray]:
    clouds = _Clouds.of(fold.X, fold.codes, fold.weights)
    weights = [clouds.weights_at(shrinkage) for shrinkage in strengths]
    return [fold.asked @ coef.T + intercept for coef, intercept in weights]
