"""Features and weights of all rows that a head is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse

from nlptl.base.arrays import FloatArray, Groups, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.base.transfer import DomainFeatures, Transfer
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.sharded_features import features_sharded
from nlptl.fitting.source_share import chosen_share, with_share
from nlptl.fitting.training_data import TrainingData
from nlptl.transfer.features.frozen import TextFeatures

_MIN_FILLED_SHARE = 0.5
"""Share of entries that are not 0 from which a group of columns counts as dense."""


@dataclass(frozen=True, eq=False)
class HeadInputs:
    """Features and targets of all rows that a head is fitted to.

    Attributes
    ----------
    features : TextFeatures
        Computes features of other rows.
    data : TrainingData
        The data of the fit. Its rows have the final weights.
    X : ndarray or csr_matrix of shape (n, n_features)
        Features of the labelled rows, then of the extra rows. Those of the source are aligned.
    unlabeled : ndarray or csr_matrix of shape (n_unlabeled, n_features) or None
        Features of the unlabelled rows, if a transfer needs them.
    source_weights : ndarray of shape (n,) or None
        Factor on the weight of each row of ``X``, if a transfer computed some.
    """

    features: TextFeatures
    data: TrainingData
    X: Features
    unlabeled: Features | None = None
    source_weights: FloatArray | None = None

    @property
    def targets(self) -> Targets:
        """Targets of the rows of ``X``."""
        return self.data.all_rows[1]

    @property
    def pool(self) -> Features:
        """Features of the unlabelled rows.

        Raises
        ------
        ValueError
            If no transfer needs them.
        """
        if self.unlabeled is None:
            raise ValueError("no features of unlabelled rows")
        return self.unlabeled

    def with_rows(self, X: Features, rows: Rows, targets: Targets) -> HeadInputs:
        """Return the same inputs with more extra rows, whose features are known."""
        return replace(self, data=self.data.with_extra(rows, targets), X=stacked(self.X, X))


def head_inputs(
    plan: FitPlan, data: TrainingData, features: TextFeatures, *, weigh: bool = True
) -> HeadInputs:
    """Compute the features of all rows; align and weigh those of the source.

    Parameters
    ----------
    plan : FitPlan
    data : TrainingData
    features : TextFeatures
    weigh : bool
        False if the rows have their final weights already.

    Raises
    ------
    ConfigError
        If a transfer cannot use the features, or refuses its weights.
    """
    transfers = plan.transfers
    rows, targets = data.all_rows
    X = _computed(plan, features, rows)
    needs_unlabeled = transfers.selftraining or transfers.aligners or transfers.weighers
    unlabeled = None
    if needs_unlabeled and len(data.unlabeled):
        unlabeled = _computed(plan, features, data.unlabeled)
    for transfer in transfers.aligners:
        X = _aligned(transfer, X, unlabeled, targets, features.groups(rows))
    if not weigh:
        return HeadInputs(features, data, X, unlabeled)
    factors = None
    for transfer in transfers.weighers:
        factors = _factors(transfer, X, unlabeled, data.all_rows[1])
        data = data.weighed_by(factors)
    return _with_chosen_share(plan, HeadInputs(features, data, X, unlabeled, factors))


def stacked(first: Features, second: Features) -> Features:
    """Return the rows of two feature matrices below each other."""
    if issparse(first) or issparse(second):
        from scipy.sparse import vstack

        return csr_matrix(vstack([first, second], format="csr"))
    both: FloatArray = np.concatenate([first, second])
    return both


def domain_features(
    X: Features, unlabeled: Features | None, targets: Targets, number: int, *, seed: int = 0
) -> tuple[IntArray, DomainFeatures]:
    """Return the rows of a source domain, and its features next to those of the target."""
    domains = targets.domain_numbers
    source, labelled = np.flatnonzero(domains == number), np.flatnonzero(domains == 0)
    target = X[labelled] if unlabeled is None else stacked(unlabeled, X[labelled])
    codes = targets.codes
    return source, DomainFeatures(
        X[source], codes[source], target, X[labelled], codes[labelled], targets.n_outputs, seed
    )


def _computed(plan: FitPlan, features: TextFeatures, rows: Rows) -> Features:
    """Compute features. If the encoder is tuned, every process of a launch takes part."""
    return features_sharded(features, rows) if plan.transfers.tunes else features.transform(rows)


def _aligned(
    transfer: Transfer, X: Features, unlabeled: Features | None, targets: Targets, groups: Groups
) -> Features:
    """Move the source rows into the space of the target, one dense group of columns at a time."""
    ends = np.cumsum([width for _, width in groups])
    spans = [slice(end - width, end) for end, (_, width) in zip(ends, groups, strict=True)]
    blocks = [_dense_block(X, span) for span in spans]
    if all(block is None for block in blocks):
        raise ConfigError(
            f"{type(transfer).__name__}() needs dense features, got {X.shape[1]} word counts. Use "
            "TransformerEncoder, or FusedEncoder with it."
        )
    for number in np.unique(targets.domain_numbers[targets.domain_numbers > 0]):
        for span, block in zip(spans, blocks, strict=True):
            if block is None:
                continue
            others = None if unlabeled is None else _dense(unlabeled[:, span])
            source, pair = domain_features(block, others, targets, int(number))
            block[source] = transfer.align(pair)
    if not issparse(X):
        return np.concatenate([block for block in blocks if block is not None], axis=1)
    parts = [X[:, s] if b is None else csr_matrix(b) for s, b in zip(spans, blocks, strict=True)]
    return csr_matrix(hstack(parts, format="csr"))


def _dense_block(X: Features, span: slice) -> FloatArray | None:
    """Return a copy of a group of columns, or None if most of its entries are 0."""
    block: Any = X[:, span]
    if not issparse(block):
        return np.array(block)
    is_filled = block.nnz >= _MIN_FILLED_SHARE * block.shape[0] * block.shape[1]
    return _dense(block) if is_filled else None


def _dense(block: Any) -> FloatArray:
    filled: FloatArray = block.toarray() if issparse(block) else block
    return filled


def _factors(
    transfer: Transfer, X: Features, unlabeled: Features | None, targets: Targets
) -> FloatArray:
    """Return the factor on the weight of each row: 1 for those of the target."""
    factors: FloatArray = np.ones(len(targets))
    for number in np.unique(targets.domain_numbers[targets.domain_numbers > 0]):
        source, pair = domain_features(X, unlabeled, targets, int(number))
        factors[source] = transfer.weigh(pair)
    return factors


def _with_chosen_share(plan: FitPlan, inputs: HeadInputs) -> HeadInputs:
    """Choose the share of the source rows in the total weight, if it is to be chosen."""
    source, targets = plan.transfers.source_rows, inputs.targets
    is_target = targets.domain_numbers == 0
    if source is None or not source.chooses_share:
        return inputs
    if not is_target.any() or is_target.all():
        return inputs
    share = chosen_share(inputs.X, targets, seed=plan.seed)
    if share is None:
        return inputs
    X = inputs.X if share else inputs.X[is_target]
    return replace(inputs, data=with_share(inputs.data, share), X=X)
