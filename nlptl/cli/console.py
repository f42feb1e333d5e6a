"""What commands share: the console, and the columns of a table."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from nlptl.data.reading import column
from nlptl.data.rows import Rows, as_rows

if TYPE_CHECKING:
    import pandas as pd

_NARROW = 100


def console() -> Console:
    """Give the console; where there is no terminal, lines are wide enough for the tables."""
    # What users wrote is shown as it is: "[red]" in a text is no colour, ":fire:" no picture.
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    found = Console(**plain)
    return found if found.is_terminal else Console(**plain, width=_NARROW)


def show_warnings(warnings: Sequence[str], out: Console) -> None:
    """Show what an audit warns of, one line each."""
    for warning in warnings:
        out.print(Text.assemble(("note:", "yellow"), " ", warning))


def add_columns(parser: ArgumentParser, *, label: bool) -> None:
    """Add the options that say which columns of a table to read."""
    parser.add_argument(
        "--text-column",
        nargs="+",
        metavar="T",
        help="the column of the texts, or two columns for pairs of texts",
    )
    if label:
        parser.add_argument("--label-column", metavar="L", help="the column of the labels")
    parser.add_argument("--split", help="which split of a data set that has several")


def texts_of(table: pd.DataFrame, columns: Any) -> Rows:
    """Read the texts of a table from one column, or pairs from two."""
    found = [column(table, name) for name in columns]
    return as_rows(found[0] if len(found) == 1 else list(zip(*found, strict=True)))
