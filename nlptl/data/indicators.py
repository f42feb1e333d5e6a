"""Multi-label indicator matrices: zeros and ones, with the names of the columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.errors import InputError
from nlptl.data.columns import as_list

_SHOWN = 5
"""Maximum number of columns named in a message."""


@dataclass(frozen=True, eq=False)
class Indicator:
    """Matrix of zeros and ones with one row per text and one column per class.

    Attributes
    ----------
    codes : ndarray of shape (n, n_classes), int64
    names : tuple or None
        Names of the columns; None if the container has no names.
    """

    codes: IntArray
    names: tuple[Any, ...] | None = None

    @classmethod
    def of_array(cls, array: AnyArray) -> Self:
        """Read an array of shape (n, n_classes).

        Raises
        ------
        InputError
            If a value is neither 0 nor 1. The message shows it with its row and column.
        """
        wrong = np.argwhere(~((array == 0) | (array == 1)))
        if len(wrong):
            row, column = wrong[0].tolist()
            raise _neither(array[row, column], row, f"column {column}")
        return cls(array.astype(np.int64))

    @classmethod
    def of_table(cls, table: Any, names: Sequence[object]) -> Self:
        """Read a table with one column per class; names 0, 1, 2, ... count as positions.

        Raises
        ------
        InputError
            If two columns have the same name, or a value is neither 0 nor 1.
        """
        name, count = Counter(names).most_common(1)[0] if names else (None, 0)
        if count > 1:
            raise InputError(f"{count} label columns are called {name!r}. Rename them.")
        columns = [_zeros_and_ones(name, as_list(table[name])) for name in names]
        codes = np.array(columns, np.int64).reshape(len(columns), -1).T
        by_position = list(names) == list(range(len(names)))
        return cls(codes, None if by_position else tuple(names))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and number of classes."""
        return self.codes.shape

    def take(self, rows: IntArray) -> Self:
        """Return the rows at some positions."""
        return type(self)(self.codes[rows], self.names)

    def followed_by(self, others: Indicator) -> Self:
        """Return these rows followed by other rows, whose columns are brought into this order.

        Raises
        ------
        InputError
            If the other rows have other columns.
        """
        if self.names is None:
            aligned = others.aligned(np.arange(self.shape[1]))
        else:
            aligned = others.aligned(_named(self.names))
        return type(self)(np.concatenate([self.codes, aligned]), self.names)

    def aligned(self, classes: AnyArray) -> IntArray:
        """Return zeros and ones in the order of the classes, matched by name, else by position.

        Raises
        ------
        InputError
            If the columns do not match the classes.
        """
        expected = classes.tolist()
        unnamed = expected == list(range(len(expected)))
        if self.names is None or (unnamed and set(self.names) != set(expected)):
            if self.shape[1] != len(expected):
                raise InputError(
                    f"Expected labels as zeros and ones of shape (n, {len(expected)}), got shape "
                    f"{self.shape}. Pass one column per class."
                )
            return self.codes
        column_of = {name: column for column, name in enumerate(self.names)}
        missing = [name for name in expected if name not in column_of]
        unknown = [name for name in self.names if name not in set(expected)]
        if missing or unknown:
            raise InputError(
                f"Expected the label columns {expected[:_SHOWN]!r}, got "
                f"{list(self.names)[:_SHOWN]!r}. Missing columns: {missing[:_SHOWN]!r}. Unknown "
                f"columns: {unknown[:_SHOWN]!r}. Add, rename or drop columns."
            )
        return self.codes[:, [column_of[name] for name in expected]]

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[AnyArray]:
        return iter(self.codes)

    def __getitem__(self, index: int | slice | AnyArray) -> Any:
        return self.codes[index]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.array(self.codes, dtype=dtype, copy=True if copy is None else copy)


def read_rows(rows: Sequence[Sequence[object]], *, indicator: bool | None) -> Indicator | None:
    """Read rows of zeros and ones; return None if the rows are lists of labels.

    Parameters
    ----------
    rows : list of list or tuple
    indicator : bool or None
        True if the rows must be zeros and ones; None if they may be lists of labels.

    Raises
    ------
    InputError
        If the rows can be read in both ways, or a row is neither.

    Examples
    --------
    >>> read_rows([[1, 0, 1], [0, 0, 1]], indicator=None).shape
    (2, 3)
    >>> read_rows([["a", "b"], ["c", "a"]], indicator=None) is None
    True
    """
    width = len(rows[0])
    kinds = set(map(type, chain.from_iterable(rows)))
    if not width or not _are_numbers(kinds) or any(len(row) != width for row in rows):
        return _refused(rows) if indicator else None
    zeros_and_ones = set(chain.from_iterable(rows)) <= {0, 1}
    if indicator is None and (width == 1 or not _are_columns(rows, kinds)):
        if zeros_and_ones:
            raise _ambiguous(rows)
        return None
    if not zeros_and_ones:
        row, column = next(
            (i, k) for i, row in enumerate(rows) for k, v in enumerate(row) if v not in (0, 1)
        )
        raise _neither(rows[row][column], row, f"column {column}")
    return Indicator(np.array(rows, np.int64))


def _are_numbers(kinds: set[type]) -> bool:
    return all(issubclass(kind, bool | int | float | np.number | np.bool_) for kind in kinds)


def _are_columns(rows: Sequence[Sequence[object]], kinds: set[type]) -> bool:
    """Return True if rows of numbers with equal lengths cannot be lists of labels."""
    if isinstance(rows[0], tuple) and all(isinstance(row, tuple) for row in rows):
        return False
    whole = all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds)
    return not whole or any(len(set(row)) < len(row) for row in rows)


def _refused(rows: Sequence[Sequence[object]]) -> Indicator:
    widths = sorted({len(row) for row in rows})
    raise InputError(
        f"Expected rows of zeros and ones, one column per class, got rows such as {rows[0]!r} with "
        f"{widths[:_SHOWN]} values. Pass an array of zeros and ones with the columns of training."
    )


def _ambiguous(rows: Sequence[Sequence[object]]) -> InputError:
    kind = type(rows[0]).__name__
    other = (
        "labels that are tuples" if kind == "tuple" else "lists of labels that are called 0 and 1"
    )
    advice = (
        "make them texts: ['-'.join(map(str, row)) for row in labels]"
        if kind == "tuple"
        else "pass sets: [set(row) for row in labels]"
    )
    return InputError(
        f"Every label is a {kind} of zeros and ones, such as {rows[0]!r}. They could be columns, "
        f"one per class, or {other}. For columns, pass numpy.array(labels). For the other meaning, "
        f"{advice}."
    )


def _neither(value: object, row: int, column: str) -> InputError:
    plain = value.item() if isinstance(value, np.generic) else value
    return InputError(
        f"Labels with one column per class must be zeros and ones, got {plain!r} at row {row}, "
        f"{column}. Convert the column, or pass one label per text."
    )


def _zeros_and_ones(name: object, values: list[object]) -> list[object]:
    if _are_numbers(set(map(type, values))) and set(values) <= {0, 1}:
        return values
    row, value = next(
        (row, value)
        for row, value in enumerate(values)
        if not _are_numbers({type(value)}) or value not in (0, 1)
    )
    raise _neither(value, row, f"column {name!r}")


def _named(names: Sequence[object]) -> AnyArray:
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return array
