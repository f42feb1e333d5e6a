"""Base classes of heads that compute one score per class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.protocols import Features, SolverHead

SavedArrays: TypeAlias = Mapping[str, tuple[str | int, ...]]
"""Names and shapes of the arrays in which a fitted head is saved.

The first array has the shape (outputs, features).
"""

LINEAR_ARRAYS: SavedArrays = MappingProxyType(
    {"coef_": ("outputs", "features"), "intercept_": ("outputs",)}
)


class SavedHead(SolverHead, Protocol):
    """Protocol of solver heads that are saved as arrays."""

    saved_arrays: ClassVar[SavedArrays]
    n_features_in_: int


class ScoringHead(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of classifiers that predict from ``logits``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    """

    classes_: AnyArray

    @abstractmethod
    def logits(self, X: Features) -> FloatArray:
        """Return one score per class, an array of shape (n, n_classes)."""

    def predict_proba(self, X: Features) -> FloatArray:
        """Return the softmax of the scores, an array of shape (n, n_classes)."""
        probabilities: FloatArray = softmax(self.logits(X), axis=1)
        return probabilities

    def predict(self, X: Features) -> AnyArray:
        """Return the class with the highest score for each row."""
        check_is_fitted(self)
        labels: AnyArray = self.classes_[self.logits(X).argmax(axis=1)]
        return labels


class LinearScores(ScoringHead):
    """Base class of classifiers whose scores are a linear function of the features.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    """

    saved_arrays: ClassVar[SavedArrays] = LINEAR_ARRAYS
    coef_: FloatArray
    intercept_: FloatArray

    def logits(self, X: Features) -> FloatArray:
        """Return one score per class, an array of shape (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float32, np.float64])
        scores: FloatArray = X @ self.coef_.T + self.intercept_
        return scores
