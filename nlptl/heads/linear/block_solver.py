"""Fit a logistic regression to many rows, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, softmax

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.heads.linear.frame import Frame

MANY_NUMBERS = 50_000_000
"""Numbers in the features from which they are read in blocks: 200 MB in float32. Below, the
features are copied for scikit-learn, which is faster."""

ROWS_PER_BLOCK = 16_384
_GRADIENT_TOLERANCE = 1e-4
_MEMORY = 10
"""Number of earlier steps from which L-BFGS estimates the curvature, as in scikit-learn."""


def blocks(n_rows: int) -> Iterator[slice]:
    """Yield the slices of the rows, block by block."""
    for start in range(0, n_rows, ROWS_PER_BLOCK):
        yield slice(start, start + ROWS_PER_BLOCK)


@dataclass(frozen=True, eq=False)
class RowsInFrame:
    """Features whose rows are brought into the coordinates of the solver when they are selected.

    Attributes
    ----------
    X : ndarray of shape (n, n_features)
    frame : Frame
    """

    X: FloatArray
    frame: Frame

    def __getitem__(self, rows: IntArray) -> FloatArray:
        """Return some rows in the coordinates of the solver."""
        return np.asarray(self.frame.into(self.X[rows]))


@dataclass(frozen=True, eq=False)
class BlockProblem:
    """A penalised logistic regression whose features are never copied as a whole.

    Attributes
    ----------
    X : ndarray of shape (n, n_features)
        Features in their original coordinates.
    frame : Frame
        Coordinates of the solver, without a rotation.
    codes : ndarray of shape (n,)
        Class codes.
    weights : ndarray of shape (n,) or None
    strength : float
        Inverse strength of the penalty on the squared weights.
    """

    X: FloatArray
    frame: Frame
    codes: IntArray
    weights: FloatArray | None
    strength: float

    @property
    def n_outputs(self) -> int:
        """Number of weight rows: one for two classes, otherwise one per class."""
        n_classes = int(self.codes.max()) + 1
        return 1 if n_classes == 2 else n_classes

    def solve(self, *, iterations: int) -> tuple[FloatArray, FloatArray]:
        """Return the weights (n_outputs, n_features) and the intercept (n_outputs,).

        They minimise the same function as ``LogisticRegression`` of scikit-learn [1]_.

        References
        ----------
        .. [1] Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization",
           Mathematical Programming 1989.
        """
        shape = (self.n_outputs, self.X.shape[1] + 1)
        options = {"maxiter": iterations, "maxcor": _MEMORY, "gtol": _GRADIENT_TOLERANCE, "ftol": 0}
        start = np.zeros(shape[0] * shape[1])
        solution = minimize(self._loss, start, jac=True, method="L-BFGS-B", options=options)
        table: FloatArray = solution.x.reshape(shape)
        return table[:, :-1], table[:, -1]

    def _loss(self, flat: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss per unit of row weight and its gradient."""
        table = flat.reshape(self.n_outputs, -1)
        gradient = np.zeros_like(table)
        loss = 0.0
        for block in blocks(len(self.codes)):
            features = np.asarray(self.frame.into(self.X[block]))
            scores = features @ table[:, :-1].T.astype(features.dtype) + table[:, -1]
            losses, errors = _errors(scores, self.codes[block])
            if self.weights is not None:
                losses, errors = losses * self.weights[block], errors * self.weights[block][:, None]
            loss += float(losses.sum())
            gradient[:, :-1] += errors.T.astype(features.dtype) @ features
            gradient[:, -1] += errors.sum(axis=0)
        total = len(self.codes) if self.weights is None else float(self.weights.sum())
        penalty = table[:, :-1] / (self.strength * total)
        gradient /= total
        gradient[:, :-1] += penalty
        return loss / total + 0.5 * float((penalty * table[:, :-1]).sum()), gradient.ravel()


def _errors(scores: FloatArray, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the loss of each row (n,) and its derivative by the scores (n, n_outputs)."""
    if scores.shape[1] == 1:
        margins = np.where(codes == 1, scores[:, 0], -scores[:, 0])
        losses = np.logaddexp(0.0, -margins)
        return losses, (expit(scores[:, 0]) - codes)[:, None]
    probabilities = softmax(scores, axis=1)
    rows = np.arange(len(codes))
    losses = -np.log(np.maximum(probabilities[rows, codes], 1e-300))
    probabilities[rows, codes] -= 1
    return losses, probabilities
