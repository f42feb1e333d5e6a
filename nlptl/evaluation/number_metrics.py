"""Figures of merit for numbers, as pure functions."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from nlptl.base.arrays import FloatArray


def pearson(truth: FloatArray, found: FloatArray) -> float:
    """Linear correlation, from -1 to 1; 0 where either side is constant and shows no relation."""
    first, second = truth - truth.mean(), found - found.mean()
    lengths = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    if lengths == 0:
        return 0.0
    return float(np.clip(first @ second / lengths, -1.0, 1.0))


def spearman(truth: FloatArray, found: FloatArray) -> float:
    """Correlation of the ranks, ties sharing theirs; from -1 to 1."""
    return pearson(rankdata(truth), rankdata(found))


def rmse(truth: FloatArray, found: FloatArray) -> float:
    """Root of the mean squared error, in the units of the numbers."""
    return float(np.sqrt(((truth - found) ** 2).mean()))


def mae(truth: FloatArray, found: FloatArray) -> float:
    """Mean absolute error, in the units of the numbers; of ranks where classes have an order."""
    return float(np.abs(truth - found).mean())


def r2(truth: FloatArray, found: FloatArray) -> float:
    """Share of the variance that is explained: 1 is perfect, 0 no better than the mean.

    Where all numbers are the same, 1 if all are predicted exactly and else 0.
    """
    wrong, spread = ((truth - found) ** 2).sum(), ((truth - truth.mean()) ** 2).sum()
    if spread == 0:
        return float(wrong == 0)
    return float(1 - wrong / spread)
