"""Check a table before training, for duplicates, conflicting labels and leaks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nlptl.cli.console import add_columns, console, show_warnings
from nlptl.cli.tables import add_encoding, read_input
from nlptl.data.audit import audit
from nlptl.data.tables.reading import column, read_table
from nlptl.reports.terminal_tables import audit_table, class_counts_table

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = """examples:
  nlptl audit train.csv
  nlptl audit export.csv --encoding cp1252
  nlptl audit train.csv --other test.csv --text-column review --label-column stars
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("data", help="the table to check")
    add_columns(parser, label=True)
    add_encoding(parser)
    parser.add_argument(
        "--other",
        action="append",
        default=[],
        metavar="DATA",
        help="another split, to look for leaks",
    )


def run(arguments: Namespace) -> int:
    """Read the tables, check them and print the report."""
    columns = arguments.text_column or ["text"]
    table = read_input(arguments.data, split=arguments.split).frame
    names = [str(name) for name in table.columns]
    label_column = arguments.label_column or ("label" if "label" in names else None)
    splits = {other: read_table(other, split=arguments.split) for other in arguments.other}
    others = {other: _texts(split, columns) for other, split in splits.items()}
    labels = column(table, label_column) if label_column else None
    report = audit(_texts(table, columns), labels, others=others)
    out = console()
    out.print(_columns_read(columns, label_column, names), soft_wrap=True)
    out.print(audit_table(report))
    if report.class_counts:
        out.print(class_counts_table(report))
    show_warnings(report.warnings, out)
    return 0


def _columns_read(text_columns: list[str], label_column: str | None, names: list[str]) -> str:
    """Return a sentence on the columns that are used, or could be used."""
    texts = " and ".join(map(repr, text_columns))
    if label_column is not None:
        return f"Texts: column {texts}. Labels: column {label_column!r}."
    return (
        f"Texts: column {texts}. No labels were read: there is no column 'label'. "
        f"Known columns: {', '.join(names)}. Choose the labels with --label-column."
    )


def _texts(table: pd.DataFrame, columns: list[str]) -> list[object]:
    """Return the texts unchanged, with blank texts, so that the audit counts them."""
    parts = [column(table, name) for name in columns]
    return list(parts[0] if len(parts) == 1 else zip(*parts, strict=True))
