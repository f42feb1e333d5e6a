"""Read labels or numbers from a column of a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from nlptl.base.errors import InputError
from nlptl.data.tables.cells import blank_rows
from nlptl.data.tables.reading import column, source_of

if TYPE_CHECKING:
    import pandas as pd


def labels_of(table: pd.DataFrame, name: str, *, numeric: bool) -> list[Any]:
    """Read a column of labels, or of numbers, which csv files store as text.

    Raises
    ------
    InputError
        If a label is blank, or a number cannot be read. The message shows it with its row.
    """
    check_filled(table, name, "label")
    labels = _cells(table, name)
    if numeric:
        return [_number(table, name, row, label) for row, label in enumerate(labels)]
    return labels


def check_filled(table: pd.DataFrame, name: str, content: str) -> None:
    """Check that no cell of a column is blank, for a command with the option ``--drop-blank``.

    Parameters
    ----------
    table : DataFrame
    name : str
        The column.
    content : str
        What its cells hold, for the message: ``"label"`` or ``"text"``.

    Raises
    ------
    InputError
        If a cell is blank. The message shows it with its row.
    """
    cells = _cells(table, name)
    blank = blank_rows(cells)
    if blank:
        raise InputError(
            f"{len(blank)} of {len(cells)} rows{source_of(table)} have no {content} in column "
            f"{name!r}. The first is data row {_row_number(table, blank[0])} (counted from 1, "
            f"without a header), which holds {cells[blank[0]]!r}. Fill them in, or drop such "
            "rows with --drop-blank."
        )


def _cells(table: pd.DataFrame, name: str) -> list[Any]:
    """Return the cells of a column; arrays become lists."""
    cells = column(table, name)
    return [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]


def _row_number(table: pd.DataFrame, row: int) -> int:
    """Return the number of a row in its file, counted from 1."""
    return int(table.index[row]) + 1  # the index still counts rows that were dropped as blank


def _number(table: pd.DataFrame, name: str, row: int, value: SupportsFloat | str) -> float:
    position = (
        f"Column {name!r} holds {value!r} at data row {_row_number(table, row)}{source_of(table)}"
    )
    try:
        number = float(value)
    except (TypeError, ValueError) as problem:
        raise InputError(f"{position}, which is not a number. Correct the cell.") from problem
    if not math.isfinite(number):
        raise InputError(f"{position}, which is not finite. Correct the cell.")
    return number
