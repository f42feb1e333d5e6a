"""Fit the head of a model again to unlabelled rows that it labelled itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import Features
from nlptl.data.targets import Targets
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_inputs import HeadInputs
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.transfer.instances import SelfTraining
from nlptl.transfer.instances.selftraining import estimated_shares, most_confident

_MIN_SOFT_SHARE = 0.01
"""Smaller soft labels are left out: each would cost one row and hardly change the fit."""


def self_trained(
    spec: SelfTraining,
    inputs: HeadInputs,
    head: FittedHead,
    refit: Callable[[HeadInputs], FittedHead],
    *,
    imbalance: Imbalance | None = None,
) -> FittedHead:
    """Label the unlabelled rows and fit the head again, once per round of ``SelfTraining``.

    Parameters
    ----------
    spec : SelfTraining
    inputs : HeadInputs
        Features of the labelled rows and of at least one unlabelled row.
    head : FittedHead
        Head fitted to the labelled rows. Its calibration is kept.
    refit : callable
        Takes the inputs with the labelled unlabelled rows; returns a head that is fitted to them.
    imbalance : Imbalance or None
        Treatment of rare classes. Class shares are not estimated with it.
    """
    if imbalance is not None and spec.class_shares == "estimated":
        spec = replace(spec, class_shares="labelled")
    pool, first = _Pool.of(spec, inputs, head), _first_features(inputs, head)
    inputs = pool.labelled
    for number, share in enumerate(spec.schedule):
        X = first if number == 0 else pool.X
        probabilities = head.probabilities(X)
        if number == 0:  # later heads are fitted to rows with the class shares of the pool
            probabilities = pool.shifted(probabilities)
        rows, targets = pool.chosen(probabilities, share)
        texts = inputs.data.unlabeled.take(rows)
        refitted = refit(inputs.with_rows(pool.X[rows], texts, targets))
        head = replace(refitted, decision=head.decision)
    return head


@dataclass(frozen=True, eq=False)
class _Pool:
    """Unlabelled rows to choose from.

    Attributes
    ----------
    spec : SelfTraining
    X : ndarray or csr_matrix of shape (n, n_features)
    labelled : HeadInputs
        The labelled rows, weighted to the class shares of the unlabelled rows.
    total : float or None
        Weight of all chosen rows together. None gives each of them the same weight.
    shares, source_shares : ndarray of shape (n_classes,) or None
        Class shares of the unlabelled and of the labelled rows. None uses predicted shares.
    """

    spec: SelfTraining
    X: Features
    labelled: HeadInputs
    total: float | None
    shares: FloatArray | None = None
    source_shares: FloatArray | None = None

    @classmethod
    def of(cls, spec: SelfTraining, inputs: HeadInputs, head: FittedHead) -> _Pool:
        """Estimate the class shares of the unlabelled rows, if they are to be estimated."""
        X, targets = inputs.pool, inputs.targets
        n_labelled = len(targets)
        total = spec.weight * targets.total_weight if n_labelled else None
        has_all_classes = n_labelled and (targets.class_shares > 0).all()
        if spec.class_shares == "predicted" or not has_all_classes:
            return cls(spec, X, inputs, total)
        shares = source_shares = targets.class_shares
        if spec.class_shares == "estimated":
            shares = estimated_shares(head.probabilities(X), source_shares)
        factors = (shares / source_shares)[targets.codes]
        weighted = replace(inputs, data=inputs.data.weighed_by(factors))
        return cls(spec, X, weighted, total, shares, source_shares)

    def shifted(self, probabilities: FloatArray) -> FloatArray:
        """Return the probabilities of a head of the labelled rows for the shares of the pool."""
        if self.shares is None or self.source_shares is None:
            return probabilities
        shifted = probabilities * (self.shares / self.source_shares)
        normalised: FloatArray = shifted / shifted.sum(axis=1, keepdims=True)
        return normalised

    def chosen(self, probabilities: FloatArray, share: float) -> tuple[IntArray, Targets]:
        """Return the most confident rows, and their predicted classes as targets."""
        rows, codes = most_confident(probabilities, share, self.shares)
        weights: FloatArray = np.ones(len(rows))
        if self.spec.soft:
            soft = probabilities[rows]
            used = soft > _MIN_SOFT_SHARE
            used[np.arange(len(rows)), codes] = True
            index, codes = np.nonzero(used)
            rows, weights = rows[index], soft[index, codes]
        scale = self.spec.weight if self.total is None else self.total / weights.sum()
        n_outputs = self.labelled.targets.n_outputs
        return rows, Targets(codes, n_outputs, weights * scale)


def _first_features(inputs: HeadInputs, head: FittedHead) -> Features:
    """Return the features that the first labels are predicted from.

    If there are only class names, the texts are shifted to the centre of the names.
    """
    X = inputs.pool
    if len(inputs.targets):
        return X
    shifted: FloatArray = X + (head.fitted.centre_ - X.mean(axis=0))
    return shifted
