"""Numbers as answers: checked, and brought to one scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError


def as_numbers(values: Any) -> FloatArray:
    """Give the numbers of some rows as a float64 array (n,).

    Parameters
    ----------
    values : list, array, Series or column of length n
        int or float; a column of shape (n, 1) is taken too.

    Raises
    ------
    InputError
        If a value is missing, infinite, or no number; it is shown with its row.

    Examples
    --------
    >>> as_numbers([1, 2.5]).tolist()
    [1.0, 2.5]
    """
    if isinstance(values, str | bytes) or values is None:
        raise InputError(f"Expected a list of numbers, got {values!r}.")
    array = values.to_numpy() if hasattr(values, "to_numpy") else values
    if isinstance(array, np.ndarray):
        if array.ndim != 1 and array.shape[1:] != (1,):
            raise InputError(f"Expected one number a text, got an array of shape {array.shape}.")
        array = array.ravel().tolist()
    try:
        listed = list(array)
    except TypeError as problem:
        raise InputError(f"Expected a list of numbers, got {values!r}.") from problem
    return np.array([_number(row, value) for row, value in enumerate(listed)], dtype=np.float64)


def _number(row: int, value: Any) -> float:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise InputError(
            f"Number at row {row} is {value!r} ({type(plain).__name__}), which is no number. "
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
