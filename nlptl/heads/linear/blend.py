"""Average of a logistic regression and a discriminant as one linear classifier."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.heads.calibration.decision import best_temperature
from nlptl.heads.calibration.strength import HeldOut
from nlptl.heads.linear.discriminant import DiscriminantHead
from nlptl.heads.linear.logistic import LogisticHead
from nlptl.heads.score_heads import LinearScores


class BlendHead(LinearScores):
    """Average the calibrated logits of a logistic regression and a shrinkage discriminant.

    Logistic regression models the boundaries between classes, the discriminant the distribution
    of each class. With few labels they make different errors [1]_ (docs/benchmarks.md).

    Both choose their strength by cross-validation. The held-out rows calibrate each of them, and
    then their logits are averaged. The average of two linear classifiers is linear, too.

    Parameters
    ----------
    share : float
        Weight of the discriminant, from 0 to 1. If there are too few rows to hold some out, the
        logistic regression is used alone.
    seed : int
        Seed of the assignment of rows to folds.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    held_out_ : HeldOut or None
        Averaged logits of held-out rows from the cross-validation.

    References
    ----------
    .. [1] Ng and Jordan, "On Discriminative vs. Generative Classifiers: A Comparison of Logistic
       Regression and Naive Bayes", NeurIPS 2001.
    """

    def __init__(self, *, share: float = 0.5, seed: int = 0) -> None:
        self.share = share
        self.seed = seed

    def fit(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit both classifiers and average them.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If ``share`` is out of range.
        """
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share must be from 0 to 1, got {self.share}.")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        logistic = LogisticHead(seed=self.seed).fit(X, y, sample_weight)
        discriminant = DiscriminantHead(seed=self.seed).fit(X, y, sample_weight)
        self.classes_ = logistic.classes_
        codes = np.searchsorted(self.classes_, y)
        weights, self.held_out_ = self._mix(logistic.held_out_, discriminant.held_out_, codes)
        self.coef_ = weights[0] * logistic.coef_ + weights[1] * discriminant.coef_
        self.intercept_ = weights[0] * logistic.intercept_ + weights[1] * discriminant.intercept_
        return self

    def _mix(
        self, logistic: HeldOut | None, discriminant: HeldOut | None, codes: IntArray
    ) -> tuple[tuple[float, float], HeldOut | None]:
        """Return both weights and the averaged held-out logits.

        The weights bring both kinds of logits to the same scale. Both classifiers use the same
        folds.
        """
        if logistic is None or discriminant is None:
            return (1.0, 0.0), logistic
        truth = codes[logistic.rows]
        weights = (
            (1 - self.share) / best_temperature(logistic.logits, truth),
            self.share / best_temperature(discriminant.logits, truth),
        )
        mixed = weights[0] * logistic.logits + weights[1] * discriminant.logits
        return weights, HeldOut(logistic.rows, mixed)
