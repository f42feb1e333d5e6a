"""What every head that gives a score a class can do with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, TypeAlias

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.protocols import Features

SavedArrays: TypeAlias = Mapping[str, tuple[str | int, ...]]
"""Arrays that a fitted head is saved as, with their sizes; the first is (outputs, features)."""

LINEAR_ARRAYS: SavedArrays = MappingProxyType(
    {"coef_": ("outputs", "features"), "intercept_": ("outputs",)}
)


class ScoringHead(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A scikit-learn classifier over ``logits``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    """

    classes_: AnyArray

    @abstractmethod
    def logits(self, X: Features) -> FloatArray:
        """Give a score for each class: (n, n_classes)."""

    def predict_proba(self, X: Features) -> FloatArray:
        """Give the softmax of the scores: (n, n_classes)."""
        probabilities: FloatArray = softmax(self.logits(X), axis=1)
        return probabilities

    def predict(self, X: Features) -> AnyArray:
        """Give the class with the highest score of each row."""
        check_is_fitted(self)
        best: AnyArray = self.classes_[self.logits(X).argmax(axis=1)]
        return best


class LinearScores(ScoringHead):
    """A classifier whose scores are one linear map of the features.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    """

    saved_arrays: ClassVar[SavedArrays] = LINEAR_ARRAYS
    coef_: FloatArray
    intercept_: FloatArray

    def logits(self, X: Features) -> FloatArray:
        """Give a score for each class: (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float32, np.float64])
        scores: FloatArray = X @ self.coef_.T + self.intercept_
        return scores
