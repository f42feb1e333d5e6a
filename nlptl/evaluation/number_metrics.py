"""Regression metrics as pure functions."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from nlptl.base.arrays import FloatArray


def pearson(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the linear correlation, from -1 to 1, or 0 if the truth or prediction is constant."""
    first, second = truth - truth.mean(), predicted - predicted.mean()
    lengths = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    if lengths == 0:
        return 0.0
    return float(np.clip(first @ second / lengths, -1.0, 1.0))


def spearman(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the rank correlation, from -1 to 1. Ties share their mean rank."""
    return pearson(rankdata(truth), rankdata(predicted))


def rmse(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the root of the mean squared error, in the units of the numbers."""
    return float(np.sqrt(((truth - predicted) ** 2).mean()))


def mae(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the mean absolute error, in the units of the numbers or in ranks."""
    return float(np.abs(truth - predicted).mean())


def r2(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the explained share of the variance, R²: 1 is perfect, 0 equals predicting the mean.

    If all true numbers are the same, return 1 if all predictions are exact and 0 otherwise.
    """
    squared_error, total_square = (
        ((truth - predicted) ** 2).sum(),
        ((truth - truth.mean()) ** 2).sum(),
    )
    if total_square == 0:
        return float(squared_error == 0)
    return float(1 - squared_error / total_square)
