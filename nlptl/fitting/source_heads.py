"""Heads that share a part of their weights with a head of the source."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack, issparse

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.data.targets import Targets
from nlptl.heads.linear.logistic import LogisticHead
from nlptl.heads.linear.towards import chosen_strength, fit_towards
from nlptl.transfer.parameters.source_head import SourceHead


def fit_with_private_parts(head: Any, X: Features, targets: Targets) -> LogisticHead:
    """Fit weights that all rows share, and additional weights for each side [1]_.

    Every feature has three copies: one for all rows, one for the target rows and one for the source
    rows. The result predicts target rows, so it adds the first two.

    Parameters
    ----------
    head : LogisticHead
    X : ndarray or csr_matrix of shape (n, n_features)
    targets : Targets
        With domains.

    Raises
    ------
    ConfigError
        If the head is not a ``LogisticHead``.

    References
    ----------
    .. [1] Daumé, "Frustratingly Easy Domain Adaptation", ACL 2007, arXiv:0907.1815.
    """
    unfitted = _logistic(head, "SourceRows(private=True)")
    is_target = targets.domain_numbers == 0
    copies = [X, _rows_of(X, is_target), _rows_of(X, ~is_target)]
    joined: Any = csr_matrix(hstack(copies, format="csr")) if issparse(X) else np.hstack(copies)
    fitted = unfitted.fit(joined, targets.codes, targets.weights)
    width = X.shape[1]
    return fitted.like(
        fitted.coef_[:, :width] + fitted.coef_[:, width : 2 * width], fitted.intercept_
    )


def fit_towards_source(
    spec: SourceHead, head: Any, X: Features, targets: Targets, *, seed: int
) -> LogisticHead:
    """Fit a head to the target rows that stays close to a head of the source rows.

    Raises
    ------
    ConfigError
        If the head is not a ``LogisticHead``, there are no labelled target rows, or the source
        lacks a class of the target.
    """
    source = np.flatnonzero(targets.domain_numbers > 0)
    target = np.flatnonzero(targets.domain_numbers == 0)
    of_source, of_target = targets.take(source), targets.take(target)
    if not len(target) or not of_source.counts.all():
        raise ConfigError(
            "SourceHead() needs labelled target rows, and source rows of every class, got "
            f"{len(target)} target rows and {int((of_source.counts > 0).sum())} of "
            f"{targets.n_outputs} classes in the source. Use SourceRows() instead."
        )
    unfitted = _logistic(head, "SourceHead()")
    first = unfitted.fit(X[source], of_source.codes, of_source.weights)
    X_target = X[target]
    C = spec.C
    if isinstance(C, str):
        C = chosen_strength(first, X_target, of_target, seed=seed)
    return fit_towards(first, X_target, of_target, C=C)


def _logistic(head: Any, name: str) -> LogisticHead:
    """Return a new head with the parameters of a ``LogisticHead``."""
    if not isinstance(head, LogisticHead):
        raise ConfigError(f"{name} needs LogisticHead, got {type(head).__name__}. Leave head out.")
    return LogisticHead(**head.get_params())


def _rows_of(X: Features, used: AnyArray) -> Features:
    """Return the features with zeros in the rows that are not used."""
    factors: FloatArray = used.astype(X.dtype)
    if issparse(X):
        return csr_matrix(diags(factors) @ X)
    masked: FloatArray = X * factors[:, None]
    return masked
