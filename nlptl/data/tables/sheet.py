"""Rows of a table with the cells just as the file holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.data.tables.cells import arrow_cells, json_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sheet:
    """Hold rows of a table as values and, for jsonl and parquet, as the file holds them.

    pandas has no exact place for some cells: long numbers, missing fields, dates, decimals. A file
    of the same kind is therefore written from ``lines`` or ``arrow``.

    Attributes
    ----------
    frame : DataFrame
        The values.
    lines : list of str or None
        The rows of a jsonl file.
    arrow : pyarrow.Table or None
        The rows of a parquet file.
    """

    frame: pd.DataFrame
    lines: list[str] | None = None
    arrow: Any = None

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: Sequence[int]) -> Sheet:
        """Return the rows at some positions."""
        chosen = [int(row) for row in rows]
        return Sheet(
            self.frame.iloc[chosen],
            None if self.lines is None else [self.lines[row] for row in chosen],
            None if self.arrow is None else self.arrow.take(chosen),
        )

    def with_columns(self, columns: Mapping[str, Sequence[Any]], *, first: bool = False) -> Sheet:
        """Return the rows with new columns after, or before, those that are there.

        Parameters
        ----------
        columns : mapping of str to sequence
            The cells of each column; there is no column of that name yet.
        first : bool
            Write the new columns before the others.
        """
        plain = {name: [_plain(cell) for cell in cells] for name, cells in columns.items()}
        frame = self.frame.assign(**plain)
        if first:
            n_old = self.frame.shape[1]
            frame = frame.iloc[:, [*range(n_old, frame.shape[1]), *range(n_old)]]
        lines = None if self.lines is None else _wider_lines(self.lines, plain, first=first)
        arrow = None if self.arrow is None else _wider_arrow(self.arrow, plain, first=first)
        return Sheet(frame, lines, arrow)


def _plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def _wider_lines(
    lines: Sequence[str], columns: Mapping[str, Sequence[Any]], *, first: bool
) -> list[str]:
    """Add fields to objects in JSON without a change to what is written there."""
    wider = []
    for line, *cells in zip(lines, *columns.values(), strict=True):
        added = json_line(dict(zip(columns, cells, strict=True)))
        inner = line[1:-1].strip()
        parts = [added[1:-1], inner] if first else [inner, added[1:-1]]
        wider.append("{" + ",".join(part for part in parts if part) + "}")
    return wider


def _wider_arrow(arrow: Any, columns: Mapping[str, Sequence[Any]], *, first: bool) -> Any:
    for place, (name, cells) in enumerate(columns.items()):
        arrow = arrow.add_column(place if first else arrow.num_columns, name, arrow_cells(cells))
    return arrow
