"""Speed of predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from nlptl.base import clock
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache

Result = TypeVar("Result")


def timed_prediction(predict: Callable[[Rows], Result], rows: Rows) -> tuple[Result, float]:
    """Return predictions for the rows, and the number of rows per second.

    A first call with one row loads the weights. The cache of vectors is not used.

    Parameters
    ----------
    predict : callable
        Takes rows and returns predictions.
    rows : Rows
        At least one row.
    """
    with without_cache():
        predict(rows.take(np.arange(1)))
        started = clock.seconds()
        result = predict(rows)
        seconds = clock.seconds() - started
    return result, len(rows) / max(seconds, 1e-9)
