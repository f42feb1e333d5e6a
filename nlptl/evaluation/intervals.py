"""How sure a figure is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import InputError

Figure = Callable[[IntArray], float]
"""Takes row numbers; gives a figure of merit on those rows."""


@dataclass(frozen=True)
class Interval:
    """A figure with the range in which it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def share_interval(hits: int, n: int) -> Interval:
    """Give the Wilson interval of a share [1]_.

    Parameters
    ----------
    hits : int
        Rows that are right.
    n : int
        All rows, at least 1.

    References
    ----------
    .. [1] Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Examples
    --------
    >>> str(share_interval(90, 100))
    '0.900 [0.826, 0.945]'
    """
    if n < 1:
        raise InputError(f"A share needs at least one row, got {n}.")
    z = float(stats.norm.ppf(0.975))
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, float(middle - half), float(middle + half))


def paired_interval(differences: FloatArray) -> Interval:
    """Give the mean of paired differences with its t interval.

    Parameters
    ----------
    differences : ndarray of shape (n,)
        One difference a seed or a split, at least two.
    """
    n = len(differences)
    if n < 2:
        raise InputError(f"An interval needs at least two differences, got {n}.")
    mean = float(np.mean(differences))
    half = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def resampled_interval(
    differences: FloatArray, *, test_share: float, resolution: float = 0.0
) -> Interval:
    """Give the mean of paired differences over splits of the same rows, with its interval.

    Splits share rows, so that their differences vary less than those of fresh data would. The
    variance is enlarged for that by the ratio of rows tested to rows learnt from [1]_.

    Parameters
    ----------
    differences : ndarray of shape (n,)
        One difference a split, at least two.
    test_share : float
        Share of the rows that a split tests on, between 0 and 1.
    resolution : float
        The least step of a score, such as 1 over the rows tested: differences that happen to be
        all alike are taken to vary as much as rounding to such steps makes them.

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
        raise InputError(f"An interval needs at least two differences, got {n}.")
    if not 0 < test_share < 1:
        raise InputError(f"test_share must lie between 0 and 1, got {test_share}.")
    mean = float(np.mean(differences))
    apart = max(float(np.std(differences, ddof=1)), resolution / np.sqrt(12))
    spread = apart * np.sqrt(1 / n + test_share / (1 - test_share))
    half = float(stats.t.ppf(0.975, n - 1) * spread)
    return Interval(mean, mean - half, mean + half)


def bootstrap_interval(
    first: Figure, second: Figure, n_rows: int, *, times: int = 1_000, seed: int = 0
) -> Interval:
    """Give by how much the first figure is above the second, with its 95 % interval [1]_.

    Rows are drawn with replacement, the same for both, so that what is hard for both counts for
    neither.

    Parameters
    ----------
    first, second : callable
        Take row numbers (n_rows,); give a figure.
    n_rows : int
        At least 2.
    times : int
        How often rows are drawn.
    seed : int

    References
    ----------
    .. [1] Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.

    Examples
    --------
    >>> right, wrong = np.array([1, 1, 1, 0] * 25), np.array([1, 0, 1, 0] * 25)
    >>> found = bootstrap_interval(lambda r: right[r].mean(), lambda r: wrong[r].mean(), 100)
    >>> round(found.value, 2), found.low > 0
    (0.25, True)
    """
    if n_rows < 2:
        raise InputError(f"A bootstrap needs at least two rows, got {n_rows}.")
    rows = np.arange(n_rows)

    def apart(drawn: IntArray) -> float:
        return float(first(drawn) - second(drawn))

    found = stats.bootstrap(
        (rows,),
        apart,
        n_resamples=times,
        vectorized=False,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(apart(rows), float(found.low), float(found.high))
