"""Look for what spoils a table as training data: repeats, conflicting labels, leaks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nlptl.cli.console import add_columns, console, show_warnings
from nlptl.data.audit import audit
from nlptl.data.tables.table_reading import column, read_table
from nlptl.reports.terminal_tables import audit_table

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = """examples:
  nlptl audit train.csv
  nlptl audit train.csv --other test.csv --text-column review --label-column stars
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("data", help="the table to look at")
    add_columns(parser, label=True)
    parser.add_argument(
        "--other", action="append", default=[], metavar="DATA", help="a further split, for leaks"
    )


def run(given: Namespace) -> int:
    """Read, look, show."""
    columns = given.text_column or ["text"]
    table = read_table(given.data, split=given.split)
    names = [str(name) for name in table.columns]
    wanted = given.label_column or ("label" if "label" in names else None)
    others = {other: _texts(read_table(other, split=given.split), columns) for other in given.other}
    report = audit(_texts(table, columns), column(table, wanted) if wanted else None, others=others)
    out = console()
    out.print(audit_table(report))
    show_warnings(report.warnings, out)
    return 0


def _texts(table: pd.DataFrame, columns: list[str]) -> list[object]:
    """Give the texts as they are, blanks too: they are to be counted."""
    found = [column(table, name) for name in columns]
    return list(found[0] if len(found) == 1 else zip(*found, strict=True))
