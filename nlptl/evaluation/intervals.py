"""Confidence intervals of metrics and of their differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import InputError

Figure = Callable[[IntArray], float]
"""Function from row numbers to a metric on those rows."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __neg__(self) -> Interval:
        """Return the interval of the negative value."""
        return Interval(-self.value, -self.high, -self.low)

    def within(self, low: float, high: float) -> Interval:
        """Return the interval with its bounds clipped to a range."""
        return Interval(self.value, max(self.low, low), min(self.high, high))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def share_interval(hits: int, n: int) -> Interval:
    """Return the Wilson interval of a share [1]_.

    Parameters
    ----------
    hits : int
        Number of correct rows.
    n : int
        Number of rows, at least 1.

    References
    ----------
    .. [1] Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Examples
    --------
    >>> str(share_interval(90, 100))
    '0.900 [0.826, 0.945]'
    """
    if n < 1:
        raise InputError(f"A share needs at least one row, got {n}. Pass labelled rows.")
    z = float(stats.norm.ppf(0.975))
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, float(middle - half), float(middle + half))


def paired_interval(differences: FloatArray) -> Interval:
    """Return the mean of paired differences with its t interval.

    Parameters
    ----------
    differences : ndarray of shape (n,)
        One difference per seed or split, at least two.
    """
    n = len(differences)
    if n < 2:
        raise InputError(f"An interval needs at least two differences, got {n}. Add more.")
    mean = float(np.mean(differences))
    half = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def resampled_interval(
    differences: FloatArray,
    *,
    test_share: float,
    resolution: float = 0.0,
    limit: float = np.inf,
) -> Interval:
    """Return the mean of paired differences over splits of the same rows, with its interval.

    Splits share rows, so their differences vary less than differences on new data. The variance
    is therefore increased, depending on the ratio of test rows to training rows [1]_.

    Parameters
    ----------
    differences : ndarray of shape (n,)
        One difference per split, at least two.
    test_share : float
        Share of the rows that each split uses as test rows, below 1. 0 is for independent splits.
    resolution : float
        Smallest possible step of a score, such as 1 divided by the number of test rows. The
        standard deviation of the differences is at least that of rounding to this step.
    limit : float
        Largest possible difference, to which the interval is clipped: 1 for accuracy.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003.

    Examples
    --------
    >>> gains = np.array([0.02, 0.05, 0.03, 0.04])
    >>> str(resampled_interval(gains, test_share=0.2))
    '0.035 [0.006, 0.064]'
    """
    n = len(differences)
    if n < 2:
        raise InputError(f"An interval needs at least two differences, got {n}. Add more.")
    if not 0 <= test_share < 1:
        raise InputError(f"test_share must be between 0 and 1, got {test_share}.")
    mean = float(np.mean(differences))
    deviation = max(float(np.std(differences, ddof=1)), resolution / np.sqrt(12))
    standard_error = deviation * np.sqrt(1 / n + test_share / (1 - test_share))
    half = float(stats.t.ppf(0.975, n - 1) * standard_error)
    return Interval(mean, max(mean - half, -limit), min(mean + half, limit))


def smallest_effect(gain: Interval, n: int) -> float:
    """Return the smallest effect whose interval would exclude 0 with a probability of 80 % [1]_.

    Parameters
    ----------
    gain : Interval
        Mean of paired differences with its 95 % interval.
    n : int
        Number of differences. 1 is an interval of a bootstrap of rows.

    Returns
    -------
    float
        2.8 standard errors of the mean; more for few differences, such as 3.2 for ten.

    References
    ----------
    .. [1] Card et al., "With Little Power Comes Great Responsibility", EMNLP 2020,
       arXiv:2010.06595.

    Examples
    --------
    >>> round(smallest_effect(Interval(0.0, -0.0196, 0.0196), 1), 4)
    0.028
    """
    half = max(gain.high - gain.value, gain.value - gain.low)  # one side may be clipped
    if n < 2:
        return half * (1 + float(stats.norm.ppf(0.8) / stats.norm.ppf(0.975)))
    quantile = float(stats.t.ppf(0.975, n - 1))

    def missing_power(errors: float) -> float:
        return float(stats.nct.sf(quantile, n - 1, errors)) - 0.8

    return half / quantile * float(optimize.brentq(missing_power, 0.0, 10 * quantile))


def bootstrap_interval(
    first: Figure, second: Figure, n_rows: int, *, times: int = 1_000, seed: int = 0
) -> Interval:
    """Return the first metric minus the second, with its 95 % bootstrap interval [1]_.

    Both metrics use the same rows, drawn with replacement. Rows that are difficult for both do not
    widen the interval.

    Parameters
    ----------
    first, second : callable
        Functions from row numbers (n_rows,) to a metric.
    n_rows : int
        Number of rows, at least 2.
    times : int
        Number of bootstrap samples.
    seed : int
        Seed of the samples.

    References
    ----------
    .. [1] Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.

    Examples
    --------
    >>> right, wrong = np.array([1, 1, 1, 0] * 25), np.array([1, 0, 1, 0] * 25)
    >>> gain = bootstrap_interval(lambda r: right[r].mean(), lambda r: wrong[r].mean(), 100)
    >>> round(gain.value, 2), gain.low > 0
    (0.25, True)
    """
    if n_rows < 2:
        raise InputError(f"A bootstrap needs at least two rows, got {n_rows}. Pass more rows.")
    rows = np.arange(n_rows)

    def difference(sample: IntArray) -> float:
        return float(first(sample) - second(sample))

    interval = stats.bootstrap(
        (rows,),
        difference,
        n_resamples=times,
        vectorized=False,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(difference(rows), float(interval.low), float(interval.high))
