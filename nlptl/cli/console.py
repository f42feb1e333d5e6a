"""Provide what commands share: the console, the options for columns, and labelled rows."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from nlptl.base.paths import user_path
from nlptl.cli.tables import LabelledRows, read_labelled
from nlptl.storage.atomic import write_file
from nlptl.storage.drafts import sweep_drafts

if TYPE_CHECKING:
    from nlptl.estimators.bulk.answered_rows import Answering

_WIDTH_WITHOUT_TERMINAL = 100
"""Characters per line; wide enough for the tables."""


def console(*, quiet: bool = False) -> Console:
    """Return the console that commands print to.

    Without a terminal, its lines have 100 characters, so that tables fit.

    Parameters
    ----------
    quiet : bool
        If True, print nothing. Only the first process of a launch prints.
    """
    # Texts of users are shown unchanged: "[red]" is not a colour, ":fire:" is not an emoji.
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False, "quiet": quiet}
    terminal = Console(**plain)
    if terminal.is_terminal:
        return terminal
    return Console(**plain, width=_WIDTH_WITHOUT_TERMINAL)


def hand_over(content: bytes, output: str | None, subject: str) -> None:
    """Write a table to a file and report it, or write it to standard output.

    If standard output is a file or a pipe, it gets the bytes unchanged. They are UTF-8, whatever
    the encoding of the console is.

    Parameters
    ----------
    content : bytes
        The table, as ``table_format(...).encode`` returns it.
    output : str or None
        The file; None writes to standard output.
    subject : str
        What is written, for the message, for example ``"3 rows"``.
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
    console().print(f"{subject} written to {output}")


def show_warnings(warnings: Sequence[str], out: Console) -> None:
    """Print the warnings of an audit, one per line."""
    for warning in warnings:
        out.print(Text.assemble(("note:", "yellow"), " ", warning))


def add_columns(parser: ArgumentParser, *, label: bool) -> None:
    """Add the options for the columns and the split to read."""
    parser.add_argument(
        "--text-column",
        nargs="+",
        metavar="T",
        help="column with the texts, or two columns for text pairs",
    )
    if label:
        explanation = "column with the labels or numbers"
        parser.add_argument("--label-column", metavar="L", help=explanation)
    parser.add_argument("--split", help="name of the split to read, if the data set has several")


def labelled_rows(model: Answering, file: str, arguments: Namespace) -> LabelledRows:
    """Read texts and labels for a saved model.

    The columns are those of the options, or else those that the model was trained on.
    """
    from nlptl.estimators.bulk.answered_rows import text_columns

    name = arguments.label_column or model.notes_.get("run", {}).get("label_column") or "label"
    rows, labels = read_labelled(
        file,
        text_columns(model, arguments.text_column),
        name,
        numeric=not hasattr(model, "classes_"),
        split=arguments.split,
        drop_blank=arguments.drop_blank,
    )
    return rows, _as_classes(labels, getattr(model, "classes_", ()))


def _as_classes(labels: list[object], classes: Iterable[object]) -> list[object]:
    """Return the cells of a text table as classes of a model that are numbers or truth values."""
    by_text = {str(label): label for label in np.asarray(classes).tolist()}
    if any(isinstance(label, str) for label in by_text.values()):
        return labels
    are_texts = all(isinstance(label, str) and label in by_text for label in labels)
    return [by_text[str(label)] for label in labels] if are_texts else labels
