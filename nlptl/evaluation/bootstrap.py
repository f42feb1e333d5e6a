"""How sure a difference is between two models on the same rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.evaluation.intervals import Interval

Figure = Callable[[IntArray], float]
"""Takes row numbers; gives a figure of merit on those rows."""


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
    rng, rows = np.random.default_rng(seed), np.arange(n_rows)
    apart = np.empty(times)
    for place in range(times):
        drawn = rng.integers(0, n_rows, n_rows)
        apart[place] = first(drawn) - second(drawn)
    low, high = np.quantile(apart, [0.025, 0.975])
    return Interval(float(first(rows) - second(rows)), float(low), float(high))
