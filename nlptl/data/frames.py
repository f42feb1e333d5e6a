"""Find the columns of a table that hold texts, for error messages about tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

from nlptl.base.errors import InputError
from nlptl.data.columns import as_list

_MAX_CELLS = 100
"""Number of cells per column that are looked at."""


def check_texts(columns: Mapping[Any, list[Any]], table: Any, names: Sequence[Any]) -> None:
    """Check that columns of a table do not hold numbers in place of texts.

    Parameters
    ----------
    columns : mapping of name to list
        Cells of the columns that should hold texts.
    table : DataFrame, Dataset or mapping
    names : sequence
        All columns of the table.

    Raises
    ------
    InputError
        If one of them holds numbers. The message names it and a column with texts.
    """
    for name, cells in columns.items():
        some = cells[:_MAX_CELLS]
        numbers = [cell for cell in some if isinstance(cell, Number) and cell == cell]  # noqa: PLR0124
        if numbers and not _texts(some):
            others = [f"df[{other!r}]" for other in names if _texts(_cells(table, other))]
            advice = f"Pass the text column: {others[0]}." if others else "Pass a column of texts."
            raise InputError(
                f"Column {name!r} holds numbers, first {numbers[0]!r} "
                f"({type(numbers[0]).__name__}), not texts. {advice}"
            )


def single_columns(table: Any, names: Sequence[Any]) -> str:
    """Return advice for a table with several columns: what to pass to ``fit`` and ``predict``.

    The text column is the one with the longest texts. The label column is the first one with texts
    after it, or else another column.
    """
    if not names:
        return "Pass one column of texts, or two for pairs."
    lengths = {name: sum(map(len, _texts(_cells(table, name)))) for name in names}
    text = max(names, key=lengths.__getitem__)
    if not lengths[text]:
        return "Pass one column of texts, or two for pairs."
    position = names.index(text)
    others = [*names[position + 1 :], *names[:position]]
    label = next((name for name in others if lengths[name]), others[0])
    return f"Pass single columns: fit(df[{text!r}], df[{label!r}]) and predict(df[{text!r}])."


def _cells(table: Any, name: Any) -> list[Any]:
    return as_list(table[name], what="texts")[:_MAX_CELLS]


def _texts(cells: Sequence[object]) -> list[str]:
    return [cell for cell in cells if isinstance(cell, str) and cell.strip()]
