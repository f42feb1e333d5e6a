"""Weights of source rows by the ratio of the densities of target and source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import DomainFeatures, Transfer
from nlptl.transfer.instances.domain_space import in_common_space
from nlptl.transfer.instances.relative_ratio import fit_relative_ratio
from nlptl.transfer.instances.source_weights import checked_weights

_MIN_RATIO, _MAX_RATIO = 0.1, 10.0
"""Bounds of the weights of the domain classifier, before their mean is set to 1."""

_FOLDS = 5
_STRENGTH = 1.0
_CENTRES = 100
_MAX_ROWS_TO_CHOOSE_ON = 1_000
_WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Candidate widths of the kernels, as multiples of the median distance to the centres."""

_PENALTIES = tuple(10.0 ** np.arange(-3, 2))


def classifier_ratio(
    source: FloatArray, target: FloatArray, *, folds: int = _FOLDS, seed: int = 0
) -> FloatArray:
    """Estimate p_target / p_source at the source rows with a domain classifier [1]_.

    The probability of each row comes from a logistic regression that was not trained on it. On
    its training rows, a classifier separates domains too well, and the ratios become extreme.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    target : ndarray of shape (n_target, n_features)
    folds : int
        Number of folds. The smaller domain needs at least two rows and limits it.
    seed : int
        Seed of the assignment of rows to folds.

    Returns
    -------
    ndarray of shape (n_source,)
        Odds of the target, multiplied by n_source / n_target.

    References
    ----------
    .. [1] Bickel, Brückner and Scheffer, "Discriminative Learning Under Covariate Shift", JMLR
       2009.
    """
    rows = np.vstack([source, target])
    is_target = np.repeat([0, 1], [len(source), len(target)])
    fold_of = domain_folds(len(source), len(target), folds=folds, seed=seed)
    log_odds = np.zeros(len(source))
    for fold in np.unique(fold_of):
        training, held_out = fold_of != fold, np.flatnonzero(fold_of[: len(source)] == fold)
        classifier = LogisticRegression(C=_STRENGTH, max_iter=1_000)
        classifier.fit(rows[training], is_target[training])
        log_odds[held_out] = classifier.decision_function(source[held_out])
    ratio: FloatArray = np.exp(log_odds) * len(source) / len(target)
    return ratio
