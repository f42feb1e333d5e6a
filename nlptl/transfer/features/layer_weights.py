"""How much each group of features should count: chosen in closed form, without fitting a head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.threads import map_in_threads

RIDGES = np.logspace(-2, 2, 9)
"""Penalties tried, in multiples of the mean eigenvalue."""


def leave_one_out_error(X: FloatArray, targets: FloatArray) -> float:
    """Give the squared error of ridge regression on rows left out one at a time.

    The predicted residual sum of squares has a closed form [1]_: one eigendecomposition serves
    every row and every penalty.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    targets : ndarray of shape (n, n_outputs)
        Zeros and ones of the classes.

    Returns
    -------
    float
        Mean squared error a row, at the best of nine penalties.

    References
    ----------
    .. [1] Allen, "The Relationship Between Variable Selection and Data Augmentation and a Method
       for Prediction", Technometrics 1974.
    """
    centred = (X - X.mean(axis=0)).astype(np.float64)
    wanted = targets - targets.mean(axis=0)
    strength, basis = np.linalg.eigh(centred @ centred.T)
    strength = np.maximum(strength, 0.0)
    turned = basis.T @ wanted
    errors = []
    for ridge in RIDGES * max(float(strength.mean()), 1e-12):
        shrunk = 1.0 / (strength + ridge)
        residual = basis @ (shrunk[:, None] * turned)
        own = (basis**2) @ shrunk
        errors.append(float(((residual / own[:, None]) ** 2).sum(axis=1).mean()))
    return min(errors)


def choose_weights(
    X: FloatArray, groups: Groups, candidates: Sequence[FloatArray], wanted: FloatArray
) -> FloatArray:
    """Choose among weightings of the groups the one whose ridge regression errs least.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Unweighted features.
    groups : tuple of (str, int)
        Column ranges.
    candidates : sequence of ndarray of shape (n_groups,)
        The weightings to try.
    wanted : ndarray of shape (n, n_outputs)
        Zeros and ones of the classes.

    Returns
    -------
    ndarray of shape (n_groups,)
    """
    errors = map_in_threads(
        lambda weights: leave_one_out_error(weigh(X, groups, weights), wanted), candidates
    )
    return candidates[int(np.argmin(errors))]


def weigh(X: FloatArray, groups: Groups, weights: FloatArray) -> FloatArray:
    """Multiply each group of columns by its weight, and drop groups of weight 0."""
    if np.all(weights == 1.0):
        return X
    kept, start = [], 0
    for (_, width), weight in zip(groups, weights, strict=True):
        if weight:
            kept.append(X[:, start : start + width] * np.float32(weight))
        start += width
    return np.concatenate(kept, axis=1)
