"""Logistic regression that shrinks towards another linear classifier instead of zero."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import Features
from nlptl.data.splits import stratified_folds
from nlptl.data.targets import Targets
from nlptl.heads.linear.frame import Frame
from nlptl.heads.linear.logistic import LogisticHead

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidate inverse strengths of the penalty."""

DEFAULT_STRENGTH = 0.1
"""Used if there are too few rows to choose a strength."""

MIN_ROWS_TO_CHOOSE = 20
_FOLDS = 5
_MAX_ITERATIONS = 200


def fit_towards(head: LogisticHead, X: Features, targets: Targets, *, C: float) -> LogisticHead:
    """Fit logistic regression with a penalty on the distance to the weights of another head [1]_.

    Parameters
    ----------
    head : LogisticHead
        Fitted head with the same features. Its classes are the codes 0 to ``n_outputs`` - 1.
    X : ndarray or csr_matrix of shape (n, n_features)
    targets : Targets
        Classes of the rows.
    C : float
        Inverse strength of the penalty. With a value near 0, the result equals ``head``.

    Returns
    -------
    LogisticHead

    References
    ----------
    .. [1] Kuzborskij and Orabona, "Stability and Hypothesis Transfer Learning", ICML 2013.
    """
    offset, scale = head.logits(X), Frame.of(X, targets.weights).scale
    X = X / scale  # so that C means the same for every encoder
    one_hot, n_features = targets.one_hot, X.shape[1]
    weights: FloatArray = np.ones(len(targets)) if targets.weights is None else targets.weights
    shape = (targets.n_outputs, n_features + 1)

    def loss_and_gradient(flat: FloatArray) -> tuple[float, FloatArray]:
        change = flat.reshape(shape)
        logits = offset + np.asarray(X @ change[:, :-1].T) + change[:, -1]
        losses = -(one_hot * log_softmax(logits, axis=1)).sum(axis=1)
        errors = weights[:, None] * (softmax(logits, axis=1) - one_hot)
        gradient = np.empty(shape)
        gradient[:, :-1] = np.asarray(X.T @ errors).T + change[:, :-1] / C
        gradient[:, -1] = errors.sum(axis=0) + change[:, -1] / C
        penalty = (change**2).sum() / (2 * C)
        return float(weights @ losses + penalty), gradient.ravel()

    start = np.zeros(shape).ravel()
    options = {"maxiter": _MAX_ITERATIONS}
    solution = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    change = solution.x.reshape(shape)
    return head.like(head.coef_ + change[:, :-1] / scale, head.intercept_ + change[:, -1])


def chosen_strength(head: LogisticHead, X: Features, targets: Targets, *, seed: int) -> float:
    """Choose the strength of the penalty by the log loss of held-out rows.

    With fewer than 20 rows, or a class with a single row, it is 0.1.
    """
    if len(targets) < MIN_ROWS_TO_CHOOSE or targets.counts[targets.counts > 0].min() < 2:
        return DEFAULT_STRENGTH
    folds = stratified_folds(targets.codes, _FOLDS, seed=seed)
    losses = {
        C: sum(_loss(head, X, targets, folds == f, C) for f in range(_FOLDS)) for C in STRENGTHS
    }
    return min(losses, key=losses.__getitem__)


def _loss(
    head: LogisticHead, X: Features, targets: Targets, is_held_out: IntArray, C: float
) -> float:
    """Return the log loss of the held-out rows of a fold, summed."""
    training, held_out = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    fitted = fit_towards(head, X[training], targets.take(training), C=C)
    logs = log_softmax(fitted.logits(X[held_out]), axis=1)
    return float(-logs[np.arange(len(held_out)), targets.codes[held_out]].sum())
