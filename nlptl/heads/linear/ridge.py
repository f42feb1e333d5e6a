"""Ridge regression that chooses its penalty strength by the leave-one-out error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, lsqr
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.data.splits import stratified_sample
from nlptl.heads.calibration.strength import MAX_ROWS_TO_CHOOSE_ON
from nlptl.heads.score_heads import LINEAR_ARRAYS, SavedArrays

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-4, 3, 29))


class RidgeHead(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression: linear regression with a penalty on the squared weights.

    All features are divided by one number, so that ``alpha`` has the same effect for every
    encoder. Predictions are in the units of ``y``. ``TextRegressor`` passes ``y`` with mean 0 and
    standard deviation 1. Computations use float64.

    Parameters
    ----------
    alpha : float or "loo"
        Penalty strength, above 0. ``"loo"`` chooses from ``alphas`` by the squared leave-one-out
        error on at most 3,000 rows. This error has a closed form [1]_.
    alphas : tuple of float
        Candidate values of ``alpha`` for ``"loo"``.

    Attributes
    ----------
    alpha_ : float
        Penalty strength used.
    coef_ : ndarray of shape (1, n_features)
    intercept_ : ndarray of shape (1,)

    References
    ----------
    .. [1] Allen, "The Relationship Between Variable Selection and Data Augmentation and a Method
       for Prediction", Technometrics 1974.
    """

    saved_arrays: ClassVar[SavedArrays] = LINEAR_ARRAYS

    def __init__(self, *, alpha: float | str = "loo", alphas: tuple[float, ...] = ALPHAS) -> None:
        self.alpha = alpha
        self.alphas = alphas

    def fit(self, X: Features, y: FloatArray, sample_weight: FloatArray | None = None) -> Self:
        """Choose the penalty strength and fit the regression.

        Parameters
        ----------
        X : ndarray or csr_matrix of shape (n, n_features)
        y : ndarray of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If a penalty strength is not above 0.
        """
        self._check_parameters()
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], y_numeric=True
        )
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        # Rows of weight 0 do not change the fit, but could be sampled for choosing alpha.
        kept = np.flatnonzero(weights > 0)
        X, y, weights = X[kept], np.asarray(y, dtype=np.float64)[kept], weights[kept]
        centre = _means(X, weights)
        scale = _spread(X, weights, centre)
        self.alpha_ = self._choose(X, y, weights) if self.alpha == "loo" else float(self.alpha)
        coef = _solve(X, y, weights, self.alpha_ * scale**2)
        self.coef_ = coef[None, :]
        self.intercept_ = np.array([weights @ y / weights.sum() - centre @ coef])
        return self

    def logits(self, X: Features) -> FloatArray:
        """Return the predicted numbers as a column of shape (n, 1)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        predictions: FloatArray = X @ self.coef_.T + self.intercept_
        return predictions

    def predict(self, X: Features) -> FloatArray:
        """Return the predicted number of each row, an array of shape (n,)."""
        return self.logits(X)[:, 0]

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Build the same regression as a torch layer, for training together with a fusion layer."""
        import torch

        return torch.nn.Linear(n_features, n_outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _choose(self, X: Features, y: FloatArray, weights: FloatArray) -> float:
        rows = stratified_sample(y, MAX_ROWS_TO_CHOOSE_ON, seed=0)
        if len(rows) < 2:
            return 1.0
        errors = leave_one_out_errors(X[rows], y[rows], weights[rows], self.alphas)
        return float(self.alphas[int(np.argmin(errors))])

    def _check_parameters(self) -> None:
        candidates = self.alphas if self.alpha == "loo" else (self.alpha,)
        if not len(candidates) or any(isinstance(a, str) or not a > 0 for a in candidates):
            raise ConfigError(
                "alpha must be above 0 or 'loo', and alphas must contain numbers above 0, got "
                f"alpha={self.alpha!r}, alphas={self.alphas}."
            )


def leave_one_out_errors(
    X: Features, y: FloatArray, weights: FloatArray, alphas: Sequence[float]
) -> FloatArray:
    """Compute the weighted mean squared leave-one-out error of each penalty strength.

    Let H be the hat matrix of the weighted regression. The leave-one-out error of row i is its
    residual divided by ``1 - H[i, i]``. One eigendecomposition yields H for all strengths.

    Parameters
    ----------
    X : ndarray or csr_matrix of shape (n, n_features)
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,)
        Above 0.
    alphas : sequence of float
        Penalty strengths, relative to the mean squared distance of the rows from their centre.

    Returns
    -------
    ndarray of shape (n_alphas,)
    """
    root, total = np.sqrt(weights), weights.sum()
    centre = _means(X, weights)
    eigenvalues, basis = _axes(X, root, centre)
    target = root * (y - weights @ y / total)
    projected = basis.T @ target
    squared_basis = basis**2
    mean_square = _spread(X, weights, centre) ** 2
    errors = []
    for alpha in alphas:
        shrinkage = eigenvalues / (eigenvalues + alpha * mean_square)
        residual = target - basis @ (shrinkage * projected)
        leverage = weights / total + squared_basis @ shrinkage
        # If a row is the only one in some direction, 1 - H[i, i] is 0. Avoid dividing by 0.
        errors.append(float(((residual / np.maximum(1 - leverage, 1e-10)) ** 2).sum() / total))
    return np.array(errors)


def _axes(X: Features, root: FloatArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return eigenvalues (r,) and eigenvectors (n, r) of the weighted, centred Gram matrix."""
    if sparse.issparse(X):
        products = np.asarray((X @ X.T).toarray(), dtype=np.float64)
        to_centre = np.asarray(X @ centre)
        centred = products - to_centre[:, None] - to_centre[None, :] + centre @ centre
        return _positive(*np.linalg.eigh(root[:, None] * centred * root[None, :]))
    rows = root[:, None] * (X.astype(np.float64) - centre)
    if X.shape[0] <= X.shape[1]:
        return _positive(*np.linalg.eigh(rows @ rows.T))
    eigenvalues, axes = _positive(*np.linalg.eigh(rows.T @ rows))
    return eigenvalues, rows @ (axes / np.sqrt(eigenvalues))


def _positive(eigenvalues: FloatArray, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
    is_positive = eigenvalues > eigenvalues.max(initial=0.0) * 1e-12
    return eigenvalues[is_positive], axes[:, is_positive]


def _means(X: Features, weights: FloatArray) -> FloatArray:
    means: FloatArray = np.asarray(X.T @ (weights / weights.sum()), dtype=np.float64).ravel()
    return means


def _spread(X: Features, weights: FloatArray, centre: FloatArray) -> float:
    """Return the root of the weighted mean squared distance from the centre, or 1 if it is 0."""
    if sparse.issparse(X):
        lengths = np.asarray(sparse.csr_matrix(X).power(2).sum(axis=1), dtype=np.float64).ravel()
        variance = float(weights @ lengths / weights.sum() - centre @ centre)
    else:
        centred = X.astype(np.float64) - centre
        variance = float(weights @ np.einsum("ij,ij->i", centred, centred) / weights.sum())
    return float(np.sqrt(variance)) if variance > 1e-24 else 1.0


def _solve(X: Features, y: FloatArray, weights: FloatArray, penalty: float) -> FloatArray:
    """Return the weights (n_features,) of the centred ridge problem."""
    root, centre = np.sqrt(weights), _means(X, weights)
    target = root * (y - weights @ y / weights.sum())
    if sparse.issparse(X):
        return _solve_thin(X, target, root, centre, penalty)
    rows = root[:, None] * (X.astype(np.float64) - centre)
    n, d = rows.shape
    products = rows @ rows.T if n <= d else rows.T @ rows
    products[np.diag_indices_from(products)] += penalty
    factor = cho_factor(products, lower=True, overwrite_a=True)
    coef: FloatArray
    coef = rows.T @ cho_solve(factor, target) if n <= d else cho_solve(factor, rows.T @ target)
    return coef


def _solve_thin(
    X: Features, target: FloatArray, root: FloatArray, centre: FloatArray, penalty: float
) -> FloatArray:
    """Solve the ridge problem for sparse features without converting them to a dense array."""
    operator = LinearOperator(
        X.shape,
        matvec=lambda w: root * (X @ w.ravel() - centre @ w.ravel()),
        rmatvec=lambda r: X.T @ (root * r.ravel()) - centre * (root @ r.ravel()),
        dtype=np.float64,
    )
    coef: FloatArray = lsqr(
        operator, target, damp=float(np.sqrt(penalty)), atol=1e-10, btol=1e-10, iter_lim=2000
    )[0]
    return coef
