"""Coordinates for fitting a linear head: scaled, and rotated if columns outnumber rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features


@dataclass(frozen=True)
class Frame:
    """Centring, scaling and optional rotation of features before a linear head is fitted.

    Attributes
    ----------
    scale : float
        Divisor of the features. It makes a penalty strength comparable between encoders.
    centre : ndarray of shape (n_features,) or None
        Mean that is subtracted first. None for sparse features.
    axes : ndarray of shape (n_features, rank) or None
        Orthonormal axes that span the rows, if there are more columns than rows. Otherwise None.
    """

    scale: float
    centre: FloatArray | None
    axes: FloatArray | None

    @classmethod
    def of(cls, X: Features, weights: FloatArray | None) -> Frame:
        """Compute the frame of features (n, n_features) with optional row weights (n,)."""
        row_weights = np.ones(X.shape[0]) if weights is None else weights
        shares = (row_weights / row_weights.sum()).astype(X.dtype)
        if sparse.issparse(X):
            squares = sparse.csr_matrix(X).power(2).sum(axis=1)
        else:
            squares = np.einsum("ij,ij->i", X, X)
        centre = np.asarray(X.T @ shares).ravel()
        variance = float(shares @ np.asarray(squares).ravel()) - float(centre @ centre)
        scale = float(np.sqrt(variance)) if variance > 1e-12 else 1.0
        if sparse.issparse(X):
            return cls(scale, None, None)
        return cls(scale, centre, row_space(X - centre) if X.shape[1] > X.shape[0] else None)

    def into(self, X: Features) -> Features:
        """Return the features in the coordinates of the solver."""
        if self.centre is None:
            return X / self.scale
        centred = (X - self.centre) / self.scale
        return centred if self.axes is None else centred @ self.axes

    def back(self, coef: FloatArray, intercept: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Convert the solver's weights (n_outputs, rank) to weights of the original features."""
        if self.axes is not None:
            coef = coef @ self.axes.T
        coef = coef / self.scale
        if self.centre is None:
            return coef, intercept
        return coef, intercept - coef @ self.centre


def row_space(centred: FloatArray) -> FloatArray:
    """Return orthonormal axes (n_features, rank) that span the rows of a wide matrix."""
    double = centred.astype(np.float64)
    eigenvalues, basis = np.linalg.eigh(double @ double.T)
    is_positive = eigenvalues > eigenvalues.max(initial=0.0) * 1e-10
    axes: FloatArray = double.T @ (basis[:, is_positive] / np.sqrt(eigenvalues[is_positive]))
    return axes.astype(centred.dtype) if is_positive.any() else np.eye(centred.shape[1], 1)
