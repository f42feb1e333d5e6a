"""Fit a head to class probabilities (soft labels)."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead

_MIN_SHARE = 0.01
"""Smaller shares are left out: each would cost one row and hardly change the fit."""


def fit_shares(head: LogisticHead, X: Features, shares: FloatArray) -> LogisticHead:
    """Fit logistic regression to class shares, also called soft labels [1]_.

    Each row enters once per class with its share as the weight. Fitting these weighted rows
    minimises the cross entropy to the shares.

    Parameters
    ----------
    head : LogisticHead
        It is copied. If ``C="cv"``, the most likely class of each row is used to choose the
        strength.
    X : ndarray or csr_matrix of shape (n, n_features)
    shares : ndarray of shape (n, n_classes)
        Rows sum to 1; at least two classes.

    Returns
    -------
    LogisticHead
        A fitted copy. Its classes are the columns of ``shares``.

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
    top_classes = shares.argmax(axis=1)
    strength = head.C
    if strength == "cv":
        several = len(np.unique(top_classes)) > 1
        strength = clone(head).fit(X, top_classes).C_ if several else DEFAULT_C
    # A class whose shares are all small keeps the row with its largest share.
    is_used = (shares > _MIN_SHARE) | (shares == shares.max(axis=0))
    rows, classes = np.nonzero(is_used & (shares > 0))
    unfitted: LogisticHead = clone(head).set_params(C=strength)
    return unfitted.fit(X[rows], classes, shares[rows, classes])
