"""Read texts and labels from the tables that commands take."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from nlptl.data.rows import Rows
from nlptl.data.tables.label_columns import check_filled, labels_of
from nlptl.data.tables.reading import (
    filled_rows,
    read_sheet,
    read_table,
    sheet_of_bytes,
    texts_of,
)
from nlptl.data.tables.sheet import Sheet
from nlptl.training.processes import is_main

if TYPE_CHECKING:
    import pandas as pd

LabelledRows: TypeAlias = tuple[Rows, list[object]]
"""Rows of a table and the label or number of each row."""

_NO_SETTINGS = ("config", "overwrite", "encoding", "export_format")

STANDARD_INPUT = ("-", "/dev/stdin")
"""Names of the standard input in place of a file."""


def add_reading(parser: ArgumentParser) -> None:
    """Add the options for files that are not UTF-8, and for rows with a blank text or label."""
    add_encoding(parser)
    parser.add_argument(
        "--drop-blank",
        action="store_true",
        default=None,
        help="skip rows whose text or label is blank, and report how many",
    )


def add_encoding(parser: ArgumentParser) -> None:
    """Add the option for files that are not UTF-8. ``run_command`` applies it."""
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of text files, for example cp1252"
    )


def run_settings(arguments: Namespace) -> dict[str, object]:
    """Return the options of a command that are also settings of its YAML file."""
    return {n: v for n, v in vars(arguments).items() if n not in _NO_SETTINGS}


def read_input(source: str, *, split: str | None) -> Sheet:
    """Read a table like ``read_sheet``, or from standard input if the source is ``-``."""
    if source in STANDARD_INPUT:
        return sheet_of_bytes(sys.stdin.buffer.read(), "standard input")
    return read_sheet(source, split=split)


def read_texts(
    source: str, columns: Sequence[str], *, split: str | None = None, drop_blank: bool | None = None
) -> Rows:
    """Read the texts of a table.

    Parameters
    ----------
    source : str
        As for ``read_table``.
    columns : sequence of str
        One column, or two for text pairs.
    split : str, optional
        Name of the split to read, if the data set has several.
    drop_blank : bool, optional
        If True, skip rows with a blank text, and report how many.

    Raises
    ------
    InputError
        If a text is blank and ``drop_blank`` is not set.
    """
    return _filled_texts(_table(source, split, columns, drop_blank), columns)


def read_labelled(
    source: str,
    columns: Sequence[str],
    label: str,
    *,
    numeric: bool,
    split: str | None = None,
    drop_blank: bool | None = None,
) -> LabelledRows:
    """Read the texts and labels of a table.

    Parameters
    ----------
    source, columns, split
        As for ``read_texts``.
    label : str
        The column of the labels.
    numeric : bool
        If True, read the labels as numbers.
    drop_blank : bool, optional
        If True, skip rows with a blank text or label, and report how many.

    Raises
    ------
    InputError
        If a label or text is blank and ``drop_blank`` is not set.
    """
    table = _table(source, split, [*columns, label], drop_blank)
    labels = labels_of(table, label, numeric=numeric)
    return _filled_texts(table, columns), labels


def _filled_texts(table: pd.DataFrame, columns: Sequence[str]) -> Rows:
    for name in columns:
        check_filled(table, name, "text")
    return texts_of(table, columns)


def _table(
    source: str, split: str | None, columns: Sequence[str], drop_blank: bool | None
) -> pd.DataFrame:
    table = read_table(source, split=split)
    if not drop_blank:
        return table
    filled = filled_rows(table, columns)
    if is_main():
        n_blank = len(table) - len(filled)
        sys.stderr.write(f"{n_blank} of {len(table)} rows of {source} are blank and left out.\n")
    return filled
