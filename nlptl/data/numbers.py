"""Read and check the target numbers and the weights of rows."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike
from nlptl.data.columns import as_array, as_list, read_once


def as_numbers(values: LabelsLike) -> FloatArray:
    """Return one number per row as a float64 array (n,).

    Parameters
    ----------
    values : list, array, Series or column of length n
        Values of type int or float. The shape (n, 1) is accepted too.

    Raises
    ------
    InputError
        If a value is missing, infinite, or not a number. The message shows it with its row.

    Examples
    --------
    >>> as_numbers([1, 2.5]).tolist()
    [1.0, 2.5]
    """
    array = as_array(read_once(values))
    if isinstance(array, np.ndarray) and array.ndim != 1 and array.shape[1:] != (1,):
        raise InputError(
            f"Expected one number per text, got an array of shape {array.shape}. Pass one column."
        )
    column = as_list(array, what="numbers")
    return np.array([_number(row, value) for row, value in enumerate(column)], dtype=np.float64)


def as_weights(values: LabelsLike | None, n_rows: int) -> FloatArray | None:
    """Return the weights of some rows as a float64 array (n_rows,); None stays None.

    Parameters
    ----------
    values : list, iterator, array, Series or column of length n_rows, or None
        Numbers of 0 or more.
    n_rows : int
        Expected number of weights.

    Raises
    ------
    InputError
        If there is not exactly one number of 0 or more per row, or all numbers are 0.
    """
    if values is None:
        return None
    column = as_list(values, what="weights")
    weights = np.array([_weight(row, value) for row, value in enumerate(column)], dtype=np.float64)
    if len(weights) != n_rows or not weights.any():
        raise InputError(
            f"sample_weight must hold {n_rows} numbers of 0 or more, one per text and not all 0, "
            f"got {len(weights)} with the sum {weights.sum():g}. Pass one weight per text."
        )
    return weights


def _weight(row: int, value: SupportsFloat | str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(
            f"sample_weight holds {value!r} at row {row}. Pass a finite number of 0 or more."
        )
    return number


def _number(row: int, value: object) -> float:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise InputError(
            f"Number at row {row} is {value!r} ({type(plain).__name__}), which is not a number. "
            "Convert it, or use TextClassifier for labels."
        )
    try:
        number = float(plain)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(
            f"Number at row {row} is {number!r}, which is not finite. Drop the row or fill it in."
        )
    return number
