"""The frame in which a linear head is solved: scaled, and rotated where columns outnumber rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features


@dataclass(frozen=True)
class Frame:
    """The scaling, and the rotation where there is one, in which a problem is solved.

    Attributes
    ----------
    scale : float
        Features are divided by it, so that a strength means the same for every encoder.
    centre : ndarray of shape (n_features,) or None
        Taken off first; None where features are sparse.
    axes : ndarray of shape (n_features, rank) or None
        Axes of a wide matrix that span its rows.
    """

    scale: float
    centre: FloatArray | None
    axes: FloatArray | None

    @classmethod
    def of(cls, X: Features, weights: FloatArray | None) -> Frame:
        """Look at features (n, n_features) and row weights."""
        given = np.ones(X.shape[0]) if weights is None else weights
        share = (given / given.sum()).astype(X.dtype)
        if sparse.issparse(X):
            squares = sparse.csr_matrix(X).power(2).sum(axis=1)
        else:
            squares = np.einsum("ij,ij->i", X, X)
        centre = np.asarray(X.T @ share).ravel()
        variance = float(share @ np.asarray(squares).ravel()) - float(centre @ centre)
        scale = float(np.sqrt(variance)) if variance > 1e-12 else 1.0
        if sparse.issparse(X):
            return cls(scale, None, None)
        return cls(scale, centre, row_space(X - centre) if X.shape[1] > X.shape[0] else None)

    def into(self, X: Features) -> Features:
        """Give features as the solver sees them."""
        if self.centre is None:
            return X / self.scale
        moved = (X - self.centre) / self.scale
        return moved if self.axes is None else moved @ self.axes

    def back(self, coef: FloatArray, intercept: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the solver's weights (n_outputs, rank) as weights of the features."""
        if self.axes is not None:
            coef = coef @ self.axes.T
        coef = coef / self.scale
        if self.centre is None:
            return coef, intercept
        return coef, intercept - coef @ self.centre


def row_space(centred: FloatArray) -> FloatArray:
    """Give orthonormal axes (n_features, rank) that span the rows of a wide matrix."""
    double = centred.astype(np.float64)
    strength, basis = np.linalg.eigh(double @ double.T)
    kept = strength > strength.max(initial=0.0) * 1e-10
    axes: FloatArray = double.T @ (basis[:, kept] / np.sqrt(strength[kept]))
    return axes.astype(centred.dtype) if kept.any() else np.eye(centred.shape[1], 1)
