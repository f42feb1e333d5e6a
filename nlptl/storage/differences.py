"""Store arrays as their exact, bitwise differences from base arrays that are already stored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import IntegrityError

_WHOLE, _ROWS, _VALUES = "whole", "rows", "values"
_MAX_SHARE_OF_ROWS = 0.5


def difference(base: Mapping[str, AnyArray], arrays: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the entries to store so that ``restored`` can rebuild arrays from base arrays.

    An array that equals its base is omitted. If fewer than half of its rows differ, as in word
    embeddings, only these rows are stored. Every other array is stored completely.

    Parameters
    ----------
    base, arrays : mapping of str to ndarray
        Arrays that are stored already, and arrays to store.

    Examples
    --------
    >>> base = {"a": np.zeros((4, 2)), "b": np.ones(3)}
    >>> arrays = {"a": np.array([[0, 0], [0, 0], [5, 0], [0, 0.0]]), "b": np.ones(3)}
    >>> sorted(difference(base, arrays))
    ['rows:a', 'values:a']
    """
    changes: dict[str, AnyArray] = {}
    for name, array in arrays.items():
        before = base.get(name)
        if before is None or before.shape != array.shape or before.dtype != array.dtype:
            changes[f"{_WHOLE}:{name}"] = array
            continue
        if np.array_equal(before, array, equal_nan=array.dtype.kind == "f"):
            continue
        if array.ndim > 1:
            differs = before != array
            rows = np.flatnonzero(differs.reshape(len(array), -1).any(axis=1))
            if len(rows) < _MAX_SHARE_OF_ROWS * len(array):
                changes[f"{_ROWS}:{name}"] = rows
                changes[f"{_VALUES}:{name}"] = array[rows]
                continue
        changes[f"{_WHOLE}:{name}"] = array
    return changes


def restored(base: Mapping[str, AnyArray], changes: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the arrays that are stored as ``changes``, the result of ``difference``.

    Raises
    ------
    IntegrityError
        If the changes do not fit the base arrays.
    """
    arrays = dict(base)
    for key, array in changes.items():
        kind, _, name = key.partition(":")
        before = base.get(name)
        if kind == _WHOLE:
            arrays[name] = array
        elif kind == _VALUES and before is not None and before.shape[1:] == array.shape[1:]:
            changed = np.array(before)
            changed[_rows(changes, name, n_rows=len(before), n_values=len(array))] = array
            arrays[name] = changed
        elif kind != _ROWS:
            raise IntegrityError(
                f"The stored changes of array {name[:80]!r} have shape {array.shape}, which does "
                "not fit the base array. Save the model again."
            )
    return arrays


def _rows(changes: Mapping[str, AnyArray], name: str, *, n_rows: int, n_values: int) -> AnyArray:
    """Return the checked numbers of the rows that differ."""
    rows = changes.get(f"{_ROWS}:{name}", np.empty(0))
    inside = rows.dtype.kind == "i" and ((rows >= 0) & (rows < n_rows)).all()
    if rows.shape != (n_values,) or not inside:
        raise IntegrityError(
            f"The stored changes of array {name[:80]!r} name rows that are not there. "
            "Save the model again."
        )
    return rows
