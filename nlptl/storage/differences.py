"""Arrays told by what differs from others that are stored already; exact, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import IntegrityError

_WHOLE, _ROWS, _VALUES = "whole", "rows", "values"
_FEW = 0.5


def difference(base: Mapping[str, AnyArray], own: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Give what has to be stored of arrays, beside others.

    An array that is the same is left out; of one that differs in fewer than half of its rows,
    as word embeddings do, these rows are given; any other is given whole.

    Parameters
    ----------
    base, own : mapping of str to ndarray

    Examples
    --------
    >>> base = {"a": np.zeros((4, 2)), "b": np.ones(3)}
    >>> own = {"a": np.array([[0, 0], [0, 0], [5, 0], [0, 0.0]]), "b": np.ones(3)}
    >>> sorted(difference(base, own))
    ['rows:a', 'values:a']
    """
    found: dict[str, AnyArray] = {}
    for name, array in own.items():
        before = base.get(name)
        if before is None or before.shape != array.shape or before.dtype != array.dtype:
            found[f"{_WHOLE}:{name}"] = array
            continue
        if np.array_equal(before, array, equal_nan=array.dtype.kind == "f"):
            continue
        if array.ndim > 1:
            other = before != array
            rows = np.flatnonzero(other.reshape(len(array), -1).any(axis=1))
            if len(rows) < _FEW * len(array):
                found[f"{_ROWS}:{name}"] = rows
                found[f"{_VALUES}:{name}"] = array[rows]
                continue
        found[f"{_WHOLE}:{name}"] = array
    return found


def restored(base: Mapping[str, AnyArray], found: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Give the arrays that ``difference`` told.

    Raises
    ------
    IntegrityError
        If the difference does not fit what it is a difference to.
    """
    own = dict(base)
    for key, array in found.items():
        how, _, name = key.partition(":")
        if how == _WHOLE:
            own[name] = array
        elif how == _VALUES:
            rows = found[f"{_ROWS}:{name}"]
            if name not in base or base[name].shape[1:] != array.shape[1:]:
                raise IntegrityError(f"A difference is told to {name!r}, which is not there.")
            changed = np.array(base[name])
            changed[rows] = array
            own[name] = changed
    return own
