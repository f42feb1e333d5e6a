"""Features and weights of all rows that a head is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features
from nlptl.base.transfer import Transfer
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.domain_features import domain_features, source_numbers, stacked
from nlptl.fitting.feature_alignment import aligned
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.sharded_features import features_sharded
from nlptl.fitting.source_share import chosen_share, with_share
from nlptl.fitting.training_data import TrainingData
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.instances.source_weights import SourceWeights


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

    @property
    def weights_report(self) -> SourceWeights | None:
        """Weights of the source rows with their texts, if a transfer computed some."""
        if self.source_weights is None:
            return None
        rows, targets = self.data.all_rows
        names = ["the target", *self.data.source]
        if len(names) == 1:  # the labelled rows are the source
            names.append("the labelled rows")
        source = np.flatnonzero(targets.domain_numbers > 0)
        texts = rows.take(source).texts
        domains = [names[number] for number in targets.domain_numbers[source]]
        return SourceWeights(self.source_weights[source], texts, domains)

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
        groups = features.groups(rows)
        X = aligned(transfer, X, unlabeled, targets, groups, seed=plan.seed)
    if not weigh:
        return HeadInputs(features, data, X, unlabeled)
    factors = None
    for transfer in transfers.weighers:
        factors = _factors(transfer, X, unlabeled, data.all_rows[1], seed=plan.seed)
        data = data.weighed_by(factors)
    return _with_chosen_share(plan, HeadInputs(features, data, X, unlabeled, factors))


def _computed(plan: FitPlan, features: TextFeatures, rows: Rows) -> Features:
    """Compute features. If the encoder is tuned, every process of a launch takes part."""
    return features_sharded(features, rows) if plan.transfers.tunes else features.transform(rows)


def _factors(
    transfer: Transfer, X: Features, unlabeled: Features | None, targets: Targets, *, seed: int
) -> FloatArray:
    """Return the factor on the weight of each row: 1 for those of the target."""
    factors: FloatArray = np.ones(len(targets))
    for number in source_numbers(targets):
        source, pair = domain_features(X, unlabeled, targets, number, seed=seed)
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
    is_first = np.arange(len(targets)) < len(inputs.data.rows)
    rows = np.flatnonzero(is_first | ~is_target)  # without edited copies of target rows
    share = chosen_share(inputs.X[rows], targets.take(rows), seed=plan.seed)
    if share is None:
        return inputs
    if share:
        return replace(inputs, data=with_share(inputs.data, share))
    data = with_share(inputs.data, share)
    return replace(inputs, data=data, X=inputs.X[is_target], source_weights=None)
