"""Share of the source rows in the total weight of a fit."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import Features
from nlptl.data.splits import stratified_folds, stratified_sample
from nlptl.data.targets import Targets
from nlptl.fitting.training_data import TrainingData
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead
from nlptl.heads.solver_fit import logits_of
from nlptl.transfer.instances.source import MIN_ROWS_TO_CHOOSE_SHARE, SHARES, SourceRows

_SHARE_OF_FEW_ROWS, _SHARE_OF_MANY_ROWS = 0.75, 0.5
"""Share of the source if it is not chosen: with few target rows, and with more."""

_SMALLEST_PROBABILITY = 1e-3
"""Probability of a class that is missing in the training rows of a fold."""

_FOLDS = 5
_MAX_SOURCE_ROWS_TO_CHOOSE_ON = 2_000


def weighted_source(data: TrainingData, spec: SourceRows) -> TrainingData:
    """Weigh the source rows by the setting, or by the share that precedes the choice of one."""
    targets = data.all_rows[1]
    is_source = targets.domain_numbers > 0
    if spec.weight is not None:
        return data.weighed_by(np.where(is_source, spec.weight, 1.0))
    n_target = len(data.rows)
    if not n_target:
        return data
    share = _SHARE_OF_FEW_ROWS if n_target < MIN_ROWS_TO_CHOOSE_SHARE else _SHARE_OF_MANY_ROWS
    return with_share(data, share if isinstance(spec.share, str) else spec.share)


def with_share(data: TrainingData, share: float) -> TrainingData:
    """Set the share of the source rows in the total weight; a share of 0 leaves them out."""
    if share:
        return data.weighed_by(share_factors(data.all_rows[1], share))
    alone = data.without_source()
    return alone.weighed_by(_factors_to_mean_one(alone.all_rows[1]))


def _factors_to_mean_one(targets: Targets) -> FloatArray:
    """Return equal factors on row weights that give them a mean of 1, without those of a source."""
    mean = 1.0 if targets.weights is None else targets.weights.mean()
    factors: FloatArray = np.full(len(targets), 1.0 / max(mean, 1e-12))
    return factors


def share_factors(targets: Targets, share: float) -> FloatArray:
    """Return the factors on row weights that give the source rows a share of the total weight.

    The total weight becomes the number of rows. Rows keep their weights relative to other rows of
    the source, or to other rows of the target.

    Parameters
    ----------
    targets : Targets
        With domains.
    share : float
        Share of the source rows, above 0 and below 1.

    Returns
    -------
    ndarray of shape (n,)
    """
    weights: FloatArray = np.ones(len(targets)) if targets.weights is None else targets.weights
    is_source = targets.domain_numbers > 0
    n_rows = len(targets)
    of_source = share * n_rows / max(weights[is_source].sum(), 1e-12)
    of_target = (1 - share) * n_rows / max(weights[~is_source].sum(), 1e-12)
    factors: FloatArray = np.where(is_source, of_source, of_target)
    return factors


def chosen_share(X: Features, targets: Targets, *, seed: int) -> float | None:
    """Choose the share of the source rows by cross-validation on the target rows.

    Parameters
    ----------
    X : ndarray or csr_matrix of shape (n, n_features)
        Features of target and source rows.
    targets : Targets
        With domains.
    seed : int
        Seed of the folds.

    Returns
    -------
    float or None
        The share with the smallest log loss of held-out target rows. None if there are too few
        target rows, or a text may have several labels or a number.
    """
    is_target = targets.domain_numbers == 0
    target, source = np.flatnonzero(is_target), np.flatnonzero(~is_target)
    if targets.numeric or targets.several or len(target) < MIN_ROWS_TO_CHOOSE_SHARE:
        return None
    has_all_classes = set(targets.codes[source]) <= set(targets.codes[target])
    sample = stratified_sample(targets.codes[source], _MAX_SOURCE_ROWS_TO_CHOOSE_ON, seed=seed)
    source = source[sample]
    folds = stratified_folds(targets.codes[target], _FOLDS, seed=seed)
    splits = [(target[folds != fold], source, target[folds == fold]) for fold in range(_FOLDS)]
    shares = SHARES if has_all_classes else SHARES[1:]  # the model must have all classes
    losses = {
        share: sum(_held_out_loss(X, targets, split, share) for split in splits) for share in shares
    }
    return min(losses, key=losses.__getitem__)


def _held_out_loss(
    X: Features, targets: Targets, split: tuple[IntArray, IntArray, IntArray], share: float
) -> float:
    """Return the log loss of held-out target rows, summed, with a share of the source rows.

    ``split`` holds the row numbers of target rows to train on, of source rows, and of target rows
    that are held out.
    """
    training, source, held_out = split
    rows = np.concatenate([training, source]) if share else training
    subset = targets.take(rows)
    factors = share_factors(subset, share) if share else _factors_to_mean_one(subset)
    subset = subset.weighed_by(factors)
    codes = targets.codes[held_out]
    shares: FloatArray = np.full((len(codes), targets.n_outputs), _SMALLEST_PROBABILITY)
    present = np.flatnonzero(subset.counts)
    if len(present) > 1:
        head = LogisticHead(C=DEFAULT_C).fit(X[rows], subset.codes, subset.weights)
        shares[:, present] = softmax(logits_of(head, X[held_out]), axis=1)
    losses = -np.log(np.maximum(shares[np.arange(len(codes)), codes], _SMALLEST_PROBABILITY))
    return float(losses.sum())
