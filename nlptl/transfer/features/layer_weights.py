"""Choice of the weights of feature groups in closed form, without fitting a head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.threads import map_in_threads

RIDGES = np.logspace(-2, 2, 9)
"""Candidate penalties, in multiples of the mean eigenvalue."""


def leave_one_out_error(X: FloatArray, targets: FloatArray) -> float:
    """Compute the leave-one-out squared error of ridge regression with an intercept.

    The predicted residual sum of squares has a closed form [1]_. One eigendecomposition is enough
    for all rows and all penalties. The intercept is fitted again without each row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    targets : ndarray of shape (n, n_outputs)
        Zeros and ones that indicate the classes.

    Returns
    -------
    float
        Mean squared error per row, with the best of nine penalties.

    References
    ----------
    .. [1] Allen, "The Relationship Between Variable Selection and Data Augmentation and a Method
       for Prediction", Technometrics 1974.
    """
    centred = (X - X.mean(axis=0)).astype(np.float64)
    centred_targets = targets - targets.mean(axis=0)
    eigenvalues, basis = np.linalg.eigh(centred @ centred.T)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    rotated_targets = basis.T @ centred_targets
    errors = []
    for ridge in RIDGES * max(float(eigenvalues.mean()), 1e-12):
        inverse = 1.0 / (eigenvalues + ridge)
        residual = basis @ (inverse[:, None] * rotated_targets)
        diagonal = (basis**2) @ inverse - 1.0 / (len(X) * ridge)  # without the constant
        errors.append(float(((residual / diagonal[:, None]) ** 2).sum(axis=1).mean()))
    return min(errors)


def choose_weights(
    X: FloatArray, groups: Groups, candidates: Sequence[FloatArray], targets: FloatArray
) -> FloatArray:
    """Return the candidate weights with the smallest leave-one-out error of ridge regression.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Unweighted features.
    groups : tuple of (str, int)
        Name and width of each group of columns.
    candidates : sequence of ndarray of shape (n_groups,)
        Weights of the groups to compare.
    targets : ndarray of shape (n, n_outputs)
        Zeros and ones that indicate the classes.

    Returns
    -------
    ndarray of shape (n_groups,)
    """
    errors = map_in_threads(
        lambda weights: leave_one_out_error(weigh(X, groups, weights), targets), candidates
    )
    return candidates[int(np.argmin(errors))]


def weigh(X: FloatArray, groups: Groups, weights: FloatArray) -> FloatArray:
    """Multiply each group of columns by its weight and drop groups with weight 0."""
    if np.all(weights == 1.0):
        return X
    kept, start = [], 0
    for (_, width), weight in zip(groups, weights, strict=True):
        if weight:
            kept.append(X[:, start : start + width] * np.float32(weight))
        start += width
    return np.concatenate(kept, axis=1)
