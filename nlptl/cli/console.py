"""What commands share: the console, the columns of a table, and models of either kind."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from nlptl.base.paths import user_path
from nlptl.cli.tables import read_labelled
from nlptl.data.rows import Rows
from nlptl.storage.atomic import write_file
from nlptl.storage.drafts import sweep_drafts

_NARROW = 100


def console(*, quiet: bool = False) -> Console:
    """Give the console; where there is no terminal, lines are wide enough for the tables.

    Parameters
    ----------
    quiet : bool
        Say nothing: for processes beside the one that speaks.
    """
    # What users wrote is shown as it is: "[red]" in a text is no colour, ":fire:" no picture.
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False, "quiet": quiet}
    found = Console(**plain)
    return found if found.is_terminal else Console(**plain, width=_NARROW)


def hand_over(content: bytes, output: str | None, told: str) -> None:
    """Write a table to a file and say so, or without a file to standard output.

    A file or a program that standard output is sent to gets the bytes, which are UTF-8 whatever
    the encoding of the console.

    Parameters
    ----------
    content : bytes
        As ``table_format(...).encode`` gives it.
    output : str or None
        The file.
    told : str
        What was written.
    """
    if output is None:
        sys.stdout.flush()
        if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
            sys.stdout.write(content.decode())
        else:
            sys.stdout.buffer.write(content)
        return
    path = user_path(output)
    sweep_drafts(path.parent, path.name)
    write_file(path, content)
    console().print(f"{told} written to {output}")


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
        explained = "the column of the labels or numbers"
        parser.add_argument("--label-column", metavar="L", help=explained)
    parser.add_argument("--split", help="which split of a data set that has several")


def labelled_rows(model: Any, file: str, given: Namespace) -> tuple[Rows, list[Any]]:
    """Read texts and labels for a saved model, by the columns given or those it was trained on."""
    from nlptl.estimators.bulk.answered_rows import text_columns

    name = given.label_column or model.notes_.get("run", {}).get("label_column") or "label"
    return read_labelled(
        file,
        text_columns(model, given.text_column),
        name,
        numeric=not hasattr(model, "classes_"),
        split=given.split,
        drop_blank=given.drop_blank,
    )
