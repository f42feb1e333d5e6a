"""Two views of the classes, averaged into one linear classifier."""

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
    """The mean of a logistic regression and a shrinkage discriminant.

    One learns where classes meet, the other what each looks like; with few labels each is right
    where the other errs [1]_ (docs/benchmarks.md). Both choose their strength by cross-validation
    and are calibrated on the rows it held out, then their logits are averaged. As both are
    linear, so is the mean.

    Parameters
    ----------
    share : float
        Weight of the discriminant, from 0 to 1. Where there are too few rows to hold some out,
        the logistic regression stands alone.
    seed : int
        Deals the rows into folds.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    held_out_ : HeldOut or None
        Logits of rows by models that did not see them.

    References
    ----------
    .. [1] Ng and Jordan, "On Discriminative vs. Generative Classifiers: A Comparison of Logistic
       Regression and Naive Bayes", NeurIPS 2001.
    """

    def __init__(self, *, share: float = 0.5, seed: int = 0) -> None:
        self.share = share
        self.seed = seed

    def fit(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit both and average them.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If ``share`` makes no sense.
        """
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share must lie from 0 to 1, got {self.share}.")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        border = LogisticHead(seed=self.seed).fit(X, y, sample_weight)
        clouds = DiscriminantHead(seed=self.seed).fit(X, y, sample_weight)
        self.classes_ = border.classes_
        codes = np.searchsorted(self.classes_, y)
        weights, self.held_out_ = self._mix(border.held_out_, clouds.held_out_, codes)
        self.coef_ = weights[0] * border.coef_ + weights[1] * clouds.coef_
        self.intercept_ = weights[0] * border.intercept_ + weights[1] * clouds.intercept_
        return self

    def _mix(
        self, border: HeldOut | None, clouds: HeldOut | None, codes: IntArray
    ) -> tuple[tuple[float, float], HeldOut | None]:
        """Weigh both so that their logits are of one scale; the folds of both are the same."""
        if border is None or clouds is None:
            return (1.0, 0.0), border
        truth = codes[border.rows]
        weights = (
            (1 - self.share) / best_temperature(border.logits, truth),
            self.share / best_temperature(clouds.logits, truth),
        )
        mixed = weights[0] * border.logits + weights[1] * clouds.logits
        return weights, HeldOut(border.rows, mixed)
