"""Weights of source rows by the ratio of the densities of target and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import DomainFeatures, Transfer
from nlptl.data.splits import stratified_folds
from nlptl.transfer.instances.domain_space import in_common_space
from nlptl.transfer.instances.relative_ratio import fit_relative_ratio
from nlptl.transfer.instances.source_weights import checked_weights

MIN_WEIGHT, MAX_WEIGHT = 0.1, 10.0
"""Bounds of the weights before they are divided by their mean."""

_EXPONENTS = {"classifier": 0.5, "rulsif": 1.0}
"""The methods, with the default of their exponent."""

_FOLDS = 5
_PENALTY = 0.05
"""Penalty on the squared coefficients of the domain classifier, relative to the mean loss."""

_N_CENTRES = 100
_MAX_ROWS_FOR_WIDTH = 1_000
_WIDTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Candidate widths of the kernels, as multiples of the median distance to their centres."""

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class DensityRatioWeights(Transfer):
    """Weigh source rows by how much more frequent similar rows are in the target [1]_.

    Pass the target texts to ``fit`` as ``unlabeled``. The weights help if both domains have the
    same kinds of texts in different amounts, and a text has the same label in both (covariate
    shift). They cannot help if the domains have no texts in common (docs/domains.md). If few source
    rows would have nearly all the weight, ``fit`` refuses the weights. Labels are not used.

    Parameters
    ----------
    method : {"classifier", "rulsif"}
        ``"classifier"``: odds of a logistic regression that separates the domains, from
        cross-validation. ``"rulsif"``: least squares on Gaussian kernels, relative to a mixture of
        both domains [2]_. Its settings are chosen by leave-one-out.
    exponent : float, optional
        Power of the ratio, above 0 and at most 1. Below 1, the weights are more equal and vary
        less from sample to sample. The default is 0.5 for ``"classifier"``. It is 1 for
        ``"rulsif"``, where ``alpha`` limits the weights already.
    alpha : float
        Share of the target in the mixture of ``"rulsif"``, at least 0 and below 1. The ratio is at
        most 1 / alpha.
    n_dimensions : int
        The features of both domains are first reduced to this number of dimensions.

    References
    ----------
    .. [1] Bickel, Brückner and Scheffer, "Discriminative Learning Under Covariate Shift", JMLR
       2009.
    .. [2] Yamada et al., "Relative Density-Ratio Estimation for Robust Distribution Comparison",
       NIPS 2011.
    """

    method: str = "classifier"
    exponent: float | None = None
    alpha: float = 0.1
    n_dimensions: int = 50

    compares_domains: ClassVar[bool] = True
    weighs_source: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Bickel, Brückner and Scheffer 2009, JMLR"

    def __post_init__(self) -> None:
        if self.method not in _EXPONENTS:
            raise ConfigError(
                f"method={self.method!r} is not known. {suggest(str(self.method), _EXPONENTS)}"
            )
        if self.exponent is not None and not 0 < self.exponent <= 1:
            raise ConfigError(f"exponent must be above 0 and at most 1, got {self.exponent}.")
        if not 0 <= self.alpha < 1:
            raise ConfigError(f"alpha must be at least 0 and below 1, got {self.alpha}.")
        if self.n_dimensions < 1:
            raise ConfigError(f"n_dimensions must be at least 1, got {self.n_dimensions}.")

    def weigh(self, features: DomainFeatures) -> FloatArray:
        """Return a weight for each source row, with a mean of 1: (n_source,).

        Raises
        ------
        ConfigError
            If few rows would have nearly all the weight.
        InputError
            If a domain has fewer than two rows.
        """
        source, target = in_common_space(
            features.source, features.target, n_dimensions=self.n_dimensions, seed=features.seed
        )
        ratios: dict[str, Callable[[], FloatArray]] = {
            "classifier": lambda: classifier_ratio(source, target, seed=features.seed),
            "rulsif": lambda: kernel_ratio(source, target, alpha=self.alpha, seed=features.seed),
        }
        ratio = ratios[self.method]()
        exponent = _EXPONENTS[self.method] if self.exponent is None else self.exponent
        weights = np.clip(ratio**exponent, MIN_WEIGHT, MAX_WEIGHT)
        return checked_weights(weights, method="DensityRatioWeights()")


def classifier_ratio(source: FloatArray, target: FloatArray, *, seed: int = 0) -> FloatArray:
    """Estimate p_target / p_source at the source rows with a domain classifier.

    The probability of each row comes from a logistic regression that was not trained on it. On
    its training rows, a classifier separates domains too well, and the ratios become extreme.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    target : ndarray of shape (n_target, n_features)
    seed : int
        Seed of the assignment of rows to five folds.

    Returns
    -------
    ndarray of shape (n_source,)
        Odds of the target, multiplied by n_source / n_target.

    Raises
    ------
    InputError
        If a domain has fewer than two rows.
    """
    n_folds = min(_FOLDS, len(source), len(target))
    if n_folds < 2:
        raise InputError(
            "A domain classifier needs at least two rows of each domain, got "
            f"{len(source)} source rows and {len(target)} target rows. Pass more texts."
        )
    rows = np.vstack([source, target])
    is_target = np.repeat([0, 1], [len(source), len(target)])
    folds = stratified_folds(is_target, n_folds, seed=seed)
    log_odds: FloatArray = np.zeros(len(source))
    for fold in range(n_folds):
        training, held_out = folds != fold, np.flatnonzero(folds[: len(source)] == fold)
        classifier = domain_classifier(int(training.sum())).fit(rows[training], is_target[training])
        log_odds[held_out] = classifier.decision_function(source[held_out])
    ratio: FloatArray = np.exp(log_odds) * (len(source) / len(target))
    return ratio


def domain_classifier(n_rows: int) -> LogisticRegression:
    """Return the classifier that separates domains, for a number of training rows.

    The penalty is relative to the mean loss. More unlabelled texts therefore do not make the
    weights more extreme.
    """
    return LogisticRegression(C=1 / (_PENALTY * n_rows), max_iter=1_000)


def kernel_ratio(
    source: FloatArray, target: FloatArray, *, alpha: float = 0.1, seed: int = 0
) -> FloatArray:
    """Estimate the relative ratio at the source rows with kernels at 100 target rows (RuLSIF).

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    target : ndarray of shape (n_target, n_features)
    alpha : float
        Share of the target in the mixture that it is compared with.
    seed : int
        Seed of the choice of centres, and of the rows that choose the settings.

    Returns
    -------
    ndarray of shape (n_source,)

    Raises
    ------
    InputError
        If a domain has fewer than two rows.
    """
    rng = np.random.default_rng(seed)
    # The settings are chosen on the first rows.
    target, shuffled = target[rng.permutation(len(target))], source[rng.permutation(len(source))]
    centres = target[:_N_CENTRES]
    distance = float(np.median(cdist(shuffled[:_MAX_ROWS_FOR_WIDTH], centres))) or 1.0
    ratio = fit_relative_ratio(
        target,
        shuffled,
        centres,
        alpha=alpha,
        widths=[factor * distance for factor in _WIDTHS],
        penalties=_PENALTIES,
    )
    return ratio.of(source)
