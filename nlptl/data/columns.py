"""Read one value per row from any container."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, Set
from typing import Any

import numpy as np

from nlptl.base.errors import InputError


def read_once(values: object) -> Any:
    """Return values that can be read several times: an iterator becomes a list.

    Examples
    --------
    >>> read_once(map(str, [1, 2]))
    ['1', '2']
    """
    return list(values) if isinstance(values, Iterator) else values


def column_names(values: object) -> list[Any] | None:
    """Return the names of the columns of a table; None if the values are not a table."""
    for attribute in ("column_names", "columns"):
        names = getattr(values, attribute, None)
        if names is not None and not callable(names):
            return list(names)
    return None


def as_array(values: object) -> Any:
    """Return tensors and sparse matrices as arrays, and everything else unchanged."""
    if hasattr(values, "detach"):  # tensor: tolist() works for every type, also bfloat16
        return np.array(values.detach().cpu().tolist())
    if hasattr(values, "toarray"):
        return values.toarray()
    return values


def refuse_unordered(values: object, what: str) -> None:
    """Refuse a container that has no order or no rows.

    Raises
    ------
    InputError
        If the container is a set, a mapping, a text or None.
    """
    if isinstance(values, str | bytes) or values is None:
        raise InputError(f"Expected a list of {what}, got {values!r}. Wrap it in a list.")
    kind = type(values).__name__
    if isinstance(values, Mapping):
        raise InputError(
            f"Expected a list of {what}, got a {kind} with the keys {list(values)[:5]!r}. Pass the "
            f"values in the order of the rows, for example list({what}.values())."
        )
    if isinstance(values, Set) and not isinstance(values, KeysView | ItemsView):
        raise InputError(
            f"Expected a list of {what}, got a {kind}, which has no order. Pass a list with one "
            "entry per row."
        )


def as_list(values: object, *, what: str = "labels") -> list[Any]:
    """Return the values of one column as a list.

    Parameters
    ----------
    values : list, tuple, iterator, array, tensor, Series, Arrow array or table of one column
        An array of shape (n, 1) counts as one column.
    what : str
        Name of the values in error messages.

    Raises
    ------
    InputError
        If the container has no order or no rows: a set, a mapping, a text, a single value.

    Examples
    --------
    >>> as_list(np.array([["a"], ["b"]]))
    ['a', 'b']
    """
    refuse_unordered(values, what)
    names = column_names(values)
    if names is not None:
        return as_list(_only_column(values, names, what), what=what)
    array = as_array(values)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if isinstance(array, np.ndarray) and array.dtype.kind in "mM":
        return list(array)  # tolist() would turn dates into whole numbers
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(array, name):
            array = getattr(array, name)()
            if not isinstance(array, list):
                raise InputError(
                    f"Expected a list of {what}, got a single value {values!r}. Wrap it in a list."
                )
            return array
    try:
        return list(array)
    except TypeError as problem:
        kind = type(values).__name__
        raise InputError(
            f"Expected a list of {what}, got {kind} {values!r}. Wrap it in a list."
        ) from problem


def read_values(values: object) -> Any:
    """Read labels from any container: one column as a list, several as an array or a table.

    Rows of the list that are arrays, tensors or Series become lists.

    Raises
    ------
    InputError
        If the container has no order or no rows.

    Examples
    --------
    >>> read_values((row for row in [np.array(["a"]), np.array(["a", "b"])]))
    [['a'], ['a', 'b']]
    """
    array = as_array(read_once(values))
    names = column_names(array)
    if names is not None and len(names) != 1:
        return array
    is_array = isinstance(array, np.ndarray)
    if is_array and (array.ndim > 2 or (array.ndim == 2 and array.shape[1] > 1)):
        return array
    rows = as_list(array)
    columns = {kind for kind in set(map(type, rows)) if _is_column(kind)}
    return [_row(row) if type(row) in columns else row for row in rows] if columns else rows


def _row(row: Any) -> Any:
    """Return an array, tensor or Series as a list, or its only value if it has no dimension."""
    has_no_dimension = getattr(row, "ndim", None) == 0 and hasattr(row, "item")
    return row.item() if has_no_dimension else as_list(row)


def _is_column(kind: type) -> bool:
    """Return True for types of arrays, tensors, Series and Arrow lists."""
    readers = ("to_numpy", "to_pylist", "detach")
    return issubclass(kind, np.ndarray) or any(hasattr(kind, name) for name in readers)


def _only_column(table: Any, names: Sequence[object], what: str) -> Any:
    if len(names) != 1:
        raise InputError(
            f"Expected one column of {what}, got a {type(table).__name__} with the columns "
            f"{names!r}. Pass one of them."
        )
    return table[names[0]]
