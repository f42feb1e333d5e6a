"""Rows of a table, together with the exact cells of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.data.tables.cells import arrow_cells, json_line

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Sheet:
    """Rows of a table as a DataFrame and, for jsonl and parquet, in the format of the file.

    pandas cannot represent some cells exactly: long numbers, missing fields, dates, decimals. A
    file of the same kind is therefore written from ``lines`` or ``arrow``.

    Attributes
    ----------
    frame : DataFrame
        The cells as values.
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

    def with_columns(
        self, columns: Mapping[str, Sequence[object]], *, first: bool = False
    ) -> Sheet:
        """Return the rows with new columns after, or before, the existing columns.

        Parameters
        ----------
        columns : mapping of str to sequence
            The cells of each new column. The names must not exist yet.
        first : bool
            Put the new columns before the others.
        """
        plain = {name: [_plain(cell) for cell in cells] for name, cells in columns.items()}
        frame = self.frame.assign(**plain)
        if first:
            n_old = self.frame.shape[1]
            frame = frame.iloc[:, [*range(n_old, frame.shape[1]), *range(n_old)]]
        lines = None if self.lines is None else _wider_lines(self.lines, plain, first=first)
        arrow = None if self.arrow is None else _wider_arrow(self.arrow, plain, first=first)
        return Sheet(frame, lines, arrow)


def joined(sheets: Sequence[Sheet]) -> Sheet:
    """Return the rows of several tables with the same columns, one after the other."""
    import pandas as pd
    import pyarrow as pa

    if len(sheets) == 1:
        return sheets[0]
    frame = pd.concat([sheet.frame for sheet in sheets], ignore_index=True)
    lines = [sheet.lines for sheet in sheets if sheet.lines is not None]
    arrows = [sheet.arrow for sheet in sheets if sheet.arrow is not None]
    return Sheet(
        frame,
        [line for part in lines for line in part] if len(lines) == len(sheets) else None,
        pa.concat_tables(arrows, promote_options="permissive")
        if len(arrows) == len(sheets)
        else None,
    )


def _plain(cell: object) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def _wider_lines(
    lines: Sequence[str], columns: Mapping[str, Sequence[object]], *, first: bool
) -> list[str]:
    """Add fields to JSON objects without a change to their existing text."""
    wider = []
    for line, *cells in zip(lines, *columns.values(), strict=True):
        added = json_line(dict(zip(columns, cells, strict=True)))
        inner = line[1:-1].strip()
        parts = [added[1:-1], inner] if first else [inner, added[1:-1]]
        wider.append("{" + ",".join(part for part in parts if part) + "}")
    return wider


def _wider_arrow(
    arrow: pa.Table, columns: Mapping[str, Sequence[object]], *, first: bool
) -> pa.Table:
    for index, (name, cells) in enumerate(columns.items()):
        arrow = arrow.add_column(index if first else arrow.num_columns, name, arrow_cells(cells))
    return arrow
