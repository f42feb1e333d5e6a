"""Fitting a head to shares of classes, where no row has one label for certain."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead

_MIN_SHARE = 0.01
"""Smaller shares are left out: they cost a row each, and say next to nothing."""


def fit_shares(head: LogisticHead, X: Features, shares: FloatArray) -> LogisticHead:
    """Fit logistic regression to shares of classes [1]_.

    Minimising the cross entropy to shares is fitting every row once for each of its classes,
    weighed by the share.

    Parameters
    ----------
    head : LogisticHead
        It is copied. Where its strength is chosen, that is done on the likeliest classes.
    X : ndarray or csr_matrix of shape (n, n_features)
    shares : ndarray of shape (n, n_classes)
        Rows sum to 1; at least two classes.

    Returns
    -------
    LogisticHead
        Its classes are the columns of ``shares``.

    References
    ----------
    .. [1] Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
       arXiv:1503.02531.

    Examples
    --------
    >>> X = np.array([[-1.0], [1.0], [0.0]])
    >>> shares = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    >>> fit_shares(LogisticHead(C=100.0), X, shares).predict_proba(X).round(1).tolist()
    [[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]
    """
    likeliest = shares.argmax(axis=1)
    strength = head.C
    if strength == "cv":
        several = len(np.unique(likeliest)) > 1
        strength = clone(head).fit(X, likeliest).C_ if several else DEFAULT_C
    # No class is lost, however small its shares are.
    counted = (shares > _MIN_SHARE) | (shares == shares.max(axis=0))
    rows, classes = np.nonzero(counted & (shares > 0))
    fresh: LogisticHead = clone(head).set_params(C=strength)
    return fresh.fit(X[rows], classes, shares[rows, classes])
