"""Nearest class mean as a head."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import ConfigError
from nlptl.heads.score_heads import SavedArrays, ScoringHead


class PrototypeHead(ScoringHead):
    """Classifier that predicts the class with the nearest mean vector, its prototype [1]_.

    Parameters
    ----------
    shrink : float
        Share by which each prototype is moved towards the mean of all rows, from 0 to below 1.

    Attributes
    ----------
    prototypes_ : ndarray of shape (n_classes, n_features)

    References
    ----------
    .. [1] Snell, Swersky and Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017.
    """

    saved_arrays: ClassVar[SavedArrays] = {"prototypes_": ("outputs", "features")}

    def __init__(self, *, shrink: float = 0.0) -> None:
        self.shrink = shrink

    def fit(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Compute the mean vector of each class.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional
            Weight of each row in its class mean.
        """
        if not 0 <= self.shrink < 1:
            raise ConfigError(f"shrink must be from 0 to below 1, got {self.shrink}.")
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64])
        check_classification_targets(y)
        weights = _check_sample_weight(sample_weight, X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Expected at least 2 classes, got 1 class: {self.classes_[0]!r}.")
        membership = np.zeros((len(self.classes_), len(X)))
        membership[codes, np.arange(len(X))] = np.maximum(weights, 1e-12)
        means = (membership @ X) / membership.sum(axis=1, keepdims=True)
        self.prototypes_ = (1 - self.shrink) * means + self.shrink * np.average(
            X, axis=0, weights=weights
        )
        return self

    def linear_map(self) -> tuple[FloatArray, FloatArray]:
        """Return weights and offsets of an equivalent linear classifier.

        Differences between its class scores are the same as those of ``logits``.
        """
        check_is_fitted(self)
        return 2 * self.prototypes_, -(self.prototypes_**2).sum(axis=1)

    def logits(self, X: FloatArray) -> FloatArray:
        """Return the negative squared distance to each prototype, of shape (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64])
        lengths = (self.prototypes_**2).sum(axis=1)
        products = X @ self.prototypes_.T
        scores: FloatArray = 2 * products - lengths - (X**2).sum(axis=1, keepdims=True)
        return scores
