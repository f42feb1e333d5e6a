"""Arrays told by what differs from others that are stored already; exact, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import IntegrityError

_WHOLE, _ROWS, _VALUES = "whole", "rows", "values"
_MAX_SHARE_OF_ROWS = 0.5


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
            if len(rows) < _MAX_SHARE_OF_ROWS * len(array):
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
        before = base.get(name)
        if how == _WHOLE:
            own[name] = array
        elif how == _VALUES and before is not None and before.shape[1:] == array.shape[1:]:
            changed = np.array(before)
            changed[_rows(found, name, n_rows=len(before), n_values=len(array))] = array
            own[name] = changed
        elif how != _ROWS:
            raise IntegrityError(
                f"The difference of {name[:80]!r} has shape {array.shape}, which does not fit. "
                "Save the model again."
            )
    return own


def _rows(found: Mapping[str, AnyArray], name: str, *, n_rows: int, n_values: int) -> AnyArray:
    """Return the numbers of the rows that differ, after they were checked."""
    rows = found.get(f"{_ROWS}:{name}", np.empty(0))
    inside = rows.dtype.kind == "i" and ((rows >= 0) & (rows < n_rows)).all()
    if rows.shape != (n_values,) or not inside:
        raise IntegrityError(
            f"The difference of {name[:80]!r} names rows that are not there. Save the model again."
        )
    return rows
