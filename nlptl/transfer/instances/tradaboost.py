"""Weights of source rows by boosting: TrAdaBoost."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import DomainFeatures, Transfer
from nlptl.transfer.instances.domain_space import in_common_space
from nlptl.transfer.instances.source_weights import checked_weights

MIN_SOURCE_SHARE = 0.05
"""Boosting stops when the source rows have a smaller share of the total weight."""

_STRENGTH = 0.01
"""Inverse penalty of the classifiers. The sum of all weights is the number of rows."""

_MIN_ERROR = 1e-3
"""Smallest error on the target, so that one wrong row does not get all the weight."""


_NOT_BOOSTED = (
    "TrAdaBoost() leaves all {} source rows at weight 1, because a classifier trained on all rows "
    "is not better than chance on the {} labelled target rows. Label more target rows, or leave "
    "the source out."
)


@dataclass(frozen=True)
class TrAdaBoost(Transfer):
    """Lower the weights of source rows that contradict the labelled target rows [1]_.

    Pass a few labelled rows of the target, and the source to ``fit`` as ``source``. A linear
    classifier is fitted to all rows in several rounds. Source rows that it gets wrong lose weight.
    Target rows that it gets wrong gain weight until the end of the boosting, so that the next
    classifier follows the target. The model is then trained on the source rows with their mean
    weight over the last half of the rounds. Its labelled target rows keep their weights.

    It is for sources that are harmful in part, for example wrongly labelled. Compare with and
    without it: recipes/benchmarks/domains/instances.py does so on product reviews.

    Parameters
    ----------
    rounds : int
        Maximum number of rounds. The boosting stops earlier if the source has less than 5 % of the
        weight, or if a classifier is not better than chance on the weighted target rows.
    n_dimensions : int
        The features are first reduced to this number of dimensions.

    References
    ----------
    .. [1] Dai et al., "Boosting for Transfer Learning", ICML 2007. With more than two classes, the
       weights of target rows change as in Zhu et al., "Multi-class AdaBoost", 2009.
    """

    rounds: int = 10
    n_dimensions: int = 50

    compares_domains: ClassVar[bool] = True
    weighs_source: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs"})
    paper: ClassVar[str] = "Dai et al. 2007, ICML"

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}.")
        if self.n_dimensions < 1:
            raise ConfigError(f"n_dimensions must be at least 1, got {self.n_dimensions}.")

    def weigh(self, features: DomainFeatures) -> FloatArray:
        """Return a weight for each source row, with a mean of 1: (n_source,).

        Raises
        ------
        ConfigError
            If there are no labelled target rows, the rows do not have one class each, or few rows
            would have nearly all the weight.
        """
        codes = features.source_codes, features.labelled_codes
        if not len(codes[1]):
            raise ConfigError(
                "TrAdaBoost() needs labelled rows of the target, got none. Pass some to fit, or "
                "use DensityRatioWeights() with unlabelled texts."
            )
        if any(part.ndim != 1 or part.dtype.kind not in "iu" for part in codes):
            raise ConfigError(
                "TrAdaBoost() needs one label per text, got numbers or several labels per text. "
                "Use DensityRatioWeights(), which needs no labels."
            )
        source, target = in_common_space(
            features.source, features.labelled, n_dimensions=self.n_dimensions, seed=features.seed
        )
        boosting = boosted_weights(source, codes[0], target, codes[1], rounds=self.rounds)
        return checked_weights(boosting.source_weights, method="TrAdaBoost()")


@dataclass(frozen=True, eq=False)
class Boosting:
    """Weights and course of a boosting.

    Attributes
    ----------
    by_round : ndarray of shape (n_rounds, n_source)
        Weight of each source row after each round. The mean of each round is 1.
    target_weights : ndarray of shape (n_target,)
        Weight of each target row after the last round, with a mean of 1. A high weight means that
        the row is hard to predict, so it is not a weight to train a model with.
    errors : tuple of float
        Weighted error on the target rows in each completed round.
    source_shares : tuple of float
        Share of the source in the total weight after each completed round.
    """

    by_round: FloatArray
    target_weights: FloatArray
    errors: tuple[float, ...]
    source_shares: tuple[float, ...]

    @property
    def source_weights(self) -> FloatArray:
        """Mean weight of each source row over the last half of the rounds: (n_source,).

        The published method lets the classifiers of these rounds vote. Here one model is trained
        on their mean weights. With planted wrong labels, these separated right from wrong rows at
        least as well as the weights of the last round, and fewer rows had nearly no weight.
        """
        mean: FloatArray = self.by_round[len(self.by_round) // 2 :].mean(axis=0)
        return mean


def boosted_weights(
    source: FloatArray,
    source_codes: IntArray,
    target: FloatArray,
    target_codes: IntArray,
    *,
    rounds: int = 10,
) -> Boosting:
    """Compute the weights of TrAdaBoost with a logistic regression in each round.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    source_codes : ndarray of shape (n_source,)
        Class of each row.
    target : ndarray of shape (n_target, n_features)
    target_codes : ndarray of shape (n_target,)
    rounds : int
        Maximum number of rounds.

    Returns
    -------
    Boosting
        If no round could be completed, all weights are 1, and a warning is issued.
    """
    rows, codes = np.vstack([source, target]), np.concatenate([source_codes, target_codes])
    is_source = np.arange(len(rows)) < len(source)
    n_classes = len(np.unique(codes))
    lowered = 1 / (1 + np.sqrt(2 * np.log(len(source)) / rounds))
    weights: FloatArray = np.ones(len(rows))
    history, errors, shares = [], [], []
    for _ in range(rounds if n_classes > 1 else 0):
        classifier = LogisticRegression(C=_STRENGTH, max_iter=1_000)
        is_wrong = classifier.fit(rows, codes, sample_weight=weights).predict(rows) != codes
        error = float(np.average(is_wrong[~is_source], weights=weights[~is_source]))
        if error >= 1 - 1 / n_classes:
            break
        raised = (n_classes - 1) * (1 - error) / max(error, _MIN_ERROR)
        weights = weights * np.where(is_wrong, np.where(is_source, lowered, raised), 1.0)
        weights *= len(rows) / weights.sum()
        history.append(weights)
        errors.append(error)
        shares.append(float(weights[is_source].sum()) / len(rows))
        if shares[-1] < MIN_SOURCE_SHARE:
            break
    if not history:
        warnings.warn(_NOT_BOOSTED.format(len(source), len(target)), stacklevel=2)
    by_round = np.array(history or [weights])
    of_source, of_target = by_round[:, is_source], by_round[-1, ~is_source]
    return Boosting(
        of_source / of_source.mean(axis=1, keepdims=True),
        of_target / of_target.mean(),
        tuple(errors),
        tuple(shares),
    )
