"""Features of a source domain and of the target, taken from the features of a fit."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, issparse, vstack

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import Features
from nlptl.base.transfer import DomainFeatures
from nlptl.data.targets import Targets


def stacked(first: Features, second: Features) -> Features:
    """Return the rows of two feature matrices below each other."""
    if issparse(first) or issparse(second):
        return csr_matrix(vstack([first, second], format="csr"))
    both: FloatArray = np.concatenate([first, second])
    return both


def domain_features(
    X: Features, unlabeled: Features | None, targets: Targets, number: int, *, seed: int
) -> tuple[IntArray, DomainFeatures]:
    """Return the rows of a source domain, and its features next to those of the target."""
    domains = targets.domain_numbers
    source, labelled = np.flatnonzero(domains == number), np.flatnonzero(domains == 0)
    target = X[labelled] if unlabeled is None else stacked(unlabeled, X[labelled])
    codes = targets.codes
    return source, DomainFeatures(
        X[source], codes[source], target, X[labelled], codes[labelled], targets.n_outputs, seed
    )


def source_numbers(targets: Targets) -> list[int]:
    """Return the numbers of the source domains that have rows."""
    numbers: list[int] = np.unique(targets.domain_numbers[targets.domain_numbers > 0]).tolist()
    return numbers
