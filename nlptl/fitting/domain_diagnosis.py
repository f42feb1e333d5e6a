"""Difference between source and target before and after the training of an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.evaluation.domain_distance import (
    collapse_warning,
    domain_accuracy,
    mean_entropy,
    shares_of,
)
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.sharded_features import features_sharded
from nlptl.fitting.training_data import TrainingData
from nlptl.training.checkpoints import logger
from nlptl.training.domain_shift import DomainShift
from nlptl.training.history import History
from nlptl.training.processes import is_main
from nlptl.transfer.features.frozen import TextFeatures

_MAX_ROWS_PER_DOMAIN = 300
"""Number of rows of each domain in the sample. Their features are computed twice."""


def with_domain_shift(
    history: History,
    data: TrainingData,
    before: tuple[TextFeatures, FittedHead | None],
    after: tuple[TextFeatures, FittedHead],
    *,
    seed: int,
) -> History:
    """Return a history with the difference between source and target, and warn of a collapse.

    Every process of a launch must call this function.

    Parameters
    ----------
    history : History
    data : TrainingData
        With source rows, which have a domain above 0, and unlabelled rows.
    before, after : tuple of (TextFeatures, FittedHead)
        Features and head before and after the training. There may be no head before.
    seed : int
        Seed of the sample.
    """
    rows, targets = data.all_rows
    rng = np.random.default_rng(seed)
    source = _sample(np.flatnonzero(targets.domain_numbers > 0), rng)
    if not len(source):  # the chosen share of the source is 0
        return history
    unlabeled = data.unlabeled.take(_sample(np.arange(len(data.unlabeled)), rng))
    samples = rows.take(source), unlabeled
    shift = _measured(samples, targets, source, before, after, seed=seed)
    if shift.warning and is_main():
        logger.warning("%s", shift.warning)
    return replace(history, domains=shift)


def _measured(
    samples: tuple[Rows, Rows],
    targets: Targets,
    source: IntArray,
    before: tuple[TextFeatures, FittedHead | None],
    after: tuple[TextFeatures, FittedHead],
    *,
    seed: int,
) -> DomainShift:
    """Measure a sample of the source and a sample of the target, before and after the training.

    ``source`` has the numbers of the sampled source rows.
    """
    first, last = (_figures(samples, targets, *state, seed=seed) for state in (before, after))
    is_source = targets.domain_numbers > 0
    of_source = () if targets.numeric else shares_of(targets.codes[is_source], targets.n_outputs)
    warning = ""
    if not targets.several:
        warning = collapse_warning(
            last.class_shares,
            of_source,
            shares_before=first.class_shares,
            entropies=(first.entropy, last.entropy),
            agreements=_agreements(first, last, targets.codes[source]),
        )
    return DomainShift(
        first.domain_accuracy,
        last.domain_accuracy,
        first.class_shares,
        last.class_shares,
        of_source,
        first.entropy,
        last.entropy,
        warning,
    )


@dataclass(frozen=True)
class _Figures:
    """Figures of one encoder and head, and its choices for the sample of each domain."""

    domain_accuracy: float | None
    class_shares: tuple[float, ...]
    entropy: float | None
    choices: tuple[IntArray, IntArray] | None = None


def _figures(
    samples: tuple[Rows, Rows],
    targets: Targets,
    features: TextFeatures,
    head: FittedHead | None,
    *,
    seed: int,
) -> _Figures:
    source, target = (features_sharded(features, rows) for rows in samples)
    accuracy = domain_accuracy(source, target, seed=seed)
    if head is None or targets.numeric:
        return _Figures(accuracy, (), None)
    of_source, of_target = (head.probabilities(part) for part in (source, target))
    choices = head.decision.choose(of_source), head.decision.choose(of_target)
    entropy = None if targets.several else mean_entropy(of_target)
    return _Figures(accuracy, shares_of(choices[1], targets.n_outputs), entropy, choices)


def _agreements(before: _Figures, after: _Figures, labels: IntArray) -> tuple[float, float] | None:
    """Return the kappa of the choices for the target, and that of the first with source labels.

    Return None if there was no head before, or if a kappa is undefined because of a single class.
    """
    from sklearn.metrics import cohen_kappa_score

    if before.choices is None or after.choices is None:
        return None
    (of_source, first), (_, last) = before.choices, after.choices
    if len(np.unique(last)) == 1 or len(np.unique(labels)) == 1:
        return None
    return float(cohen_kappa_score(first, last)), float(cohen_kappa_score(of_source, labels))


def _sample(rows: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw at most 300 of the rows, in ascending order."""
    drawn: IntArray = np.sort(rng.permutation(rows)[:_MAX_ROWS_PER_DOMAIN])
    return drawn
