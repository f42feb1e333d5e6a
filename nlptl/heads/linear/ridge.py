"""Ridge regression whose strength is chosen by the exact error of leaving rows out."""

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
    """Linear regression with a penalty on the squared weights.

    Features are scaled by one number, so that the strength means the same for every encoder.
    What is learnt is in the units of ``y``; ``TextRegressor`` hands it over with mean 0 and
    spread 1. Computed in float64.

    Parameters
    ----------
    alpha : float or "loo"
        Strength of the penalty, above 0; ``"loo"`` chooses among ``alphas`` by the squared error
        on rows left out one at a time, which has a closed form [1]_, on at most 3,000 rows.
    alphas : tuple of float
        What is tried.

    Attributes
    ----------
    alpha_ : float
        The strength used.
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
        """Choose the strength and solve.

        Parameters
        ----------
        X : ndarray or csr_matrix of shape (n, n_features)
        y : ndarray of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If a strength makes no sense.
        """
        self._check_parameters()
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], y_numeric=True
        )
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        # Rows of no weight say nothing, and would only take part in the sampling.
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
        """Give the predicted numbers as a column: (n, 1)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        found: FloatArray = X @ self.coef_.T + self.intercept_
        return found

    def predict(self, X: Features) -> FloatArray:
        """Give the predicted number of each row: (n,)."""
        return self.logits(X)[:, 0]

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Make the same regression as a network layer, to be trained together with a fusion."""
        import torch

        return torch.nn.Linear(n_features, n_outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _choose(self, X: Features, y: FloatArray, weights: FloatArray) -> float:
        some = stratified_sample(y, MAX_ROWS_TO_CHOOSE_ON, seed=0)
        if len(some) < 2:
            return 1.0
        errors = leave_one_out_errors(X[some], y[some], weights[some], self.alphas)
        return float(self.alphas[int(np.argmin(errors))])

    def _check_parameters(self) -> None:
        given = self.alphas if self.alpha == "loo" else (self.alpha,)
        if not given or any(isinstance(one, str) or not one > 0 for one in given):
            raise ConfigError(
                f"alpha must be above 0 or 'loo', and alphas hold such numbers, got "
                f"alpha={self.alpha!r}, alphas={self.alphas}."
            )


def leave_one_out_errors(
    X: Features, y: FloatArray, weights: FloatArray, alphas: Sequence[float]
) -> FloatArray:
    """Give the weighted squared error on rows left out one at a time, for each strength.

    With the hat matrix H of the weighted regression, a row left out errs by its residual over
    one minus its own entry of H. One eigendecomposition gives H for every strength.

    Parameters
    ----------
    X : ndarray or csr_matrix of shape (n, n_features)
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,)
        Above 0.
    alphas : sequence of float
        Relative to the spread of the rows of ``X``.

    Returns
    -------
    ndarray of shape (n_alphas,)
    """
    root, total = np.sqrt(weights), weights.sum()
    centre = _means(X, weights)
    strength, basis = _axes(X, root, centre)
    wanted = root * (y - weights @ y / total)
    turned = basis.T @ wanted
    squares = basis**2
    unit = _spread(X, weights, centre) ** 2
    errors = []
    for alpha in alphas:
        kept = strength / (strength + alpha * unit)
        residual = wanted - basis @ (kept * turned)
        own = weights / total + squares @ kept
        # A row that alone spans a direction is fitted whatever it says: it tells nothing.
        errors.append(float(((residual / np.maximum(1 - own, 1e-10)) ** 2).sum() / total))
    return np.array(errors)


def _axes(X: Features, root: FloatArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give eigenvalues (r,) and eigenvectors (n, r) of the weighted, centred row products."""
    if sparse.issparse(X):
        products = np.asarray((X @ X.T).toarray(), dtype=np.float64)
        to_centre = np.asarray(X @ centre)
        moved = products - to_centre[:, None] - to_centre[None, :] + centre @ centre
        return _positive(*np.linalg.eigh(root[:, None] * moved * root[None, :]))
    rows = root[:, None] * (X.astype(np.float64) - centre)
    if X.shape[0] <= X.shape[1]:
        return _positive(*np.linalg.eigh(rows @ rows.T))
    strength, axes = _positive(*np.linalg.eigh(rows.T @ rows))
    return strength, rows @ (axes / np.sqrt(strength))


def _positive(strength: FloatArray, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
    kept = strength > strength.max(initial=0.0) * 1e-12
    return strength[kept], axes[:, kept]


def _means(X: Features, weights: FloatArray) -> FloatArray:
    means: FloatArray = np.asarray(X.T @ (weights / weights.sum()), dtype=np.float64).ravel()
    return means


def _spread(X: Features, weights: FloatArray, centre: FloatArray) -> float:
    """Give the root of the weighted mean squared distance from the centre; 1 where it is 0."""
    if sparse.issparse(X):
        lengths = np.asarray(sparse.csr_matrix(X).power(2).sum(axis=1), dtype=np.float64).ravel()
        variance = float(weights @ lengths / weights.sum() - centre @ centre)
    else:
        moved = X.astype(np.float64) - centre
        variance = float(weights @ np.einsum("ij,ij->i", moved, moved) / weights.sum())
    return float(np.sqrt(variance)) if variance > 1e-24 else 1.0


def _solve(X: Features, y: FloatArray, weights: FloatArray, penalty: float) -> FloatArray:
    """Give the weights (n_features,) of the centred problem."""
    root, centre = np.sqrt(weights), _means(X, weights)
    wanted = root * (y - weights @ y / weights.sum())
    if sparse.issparse(X):
        return _solve_thin(X, wanted, root, centre, penalty)
    rows = root[:, None] * (X.astype(np.float64) - centre)
    n, d = rows.shape
    products = rows @ rows.T if n <= d else rows.T @ rows
    products[np.diag_indices_from(products)] += penalty
    factor = cho_factor(products, lower=True, overwrite_a=True)
    solved: FloatArray
    solved = rows.T @ cho_solve(factor, wanted) if n <= d else cho_solve(factor, rows.T @ wanted)
    return solved


def _solve_thin(
    X: Features, wanted: FloatArray, root: FloatArray, centre: FloatArray, penalty: float
) -> FloatArray:
    """Solve with sparse features, which are never written out."""
    operator = LinearOperator(
        X.shape,
        matvec=lambda w: root * (X @ w.ravel() - centre @ w.ravel()),
        rmatvec=lambda r: X.T @ (root * r.ravel()) - centre * (root @ r.ravel()),
        dtype=np.float64,
    )
    solved: FloatArray = lsqr(
        operator, wanted, damp=float(np.sqrt(penalty)), atol=1e-10, btol=1e-10, iter_lim=2000
    )[0]
    return solved
