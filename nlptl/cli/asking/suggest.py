"""Choose the texts whose labels would teach a saved model most.

The rows chosen are written out, the most telling first, with their number in the table before
them: label them, add them to the training rows, and train again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError, InputError
from nlptl.cli.console import add_columns, hand_over
from nlptl.data.tables.table_reading import read_sheet, texts_of
from nlptl.data.tables.table_writing import table_format
from nlptl.estimators.bulk.answered_rows import text_columns
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.storage.outputs import check_output_file
from nlptl.transfer.instances.selection import STRATEGIES

EXAMPLES = """examples:
  nlptl suggest model/ unlabelled.csv -n 20
  nlptl suggest model/ unlabelled.csv -n 100 --strategy uncertain --output to_label.csv
"""

_NUMBER = "row"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier")
    parser.add_argument("data", help="table of texts without labels")
    add_columns(parser, label=False)
    parser.add_argument("-n", type=int, default=10, metavar="N", help="how many to choose")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="both",
        help="the model is unsure about them, they differ from each other, or both",
    )
    parser.add_argument("--output", metavar="FILE", help="csv, tsv, jsonl or parquet")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def run(given: Namespace) -> int:
    """Load, choose, write."""
    kind = table_format(given.output or "-.csv")
    if given.output is not None:
        inputs = (given.data, given.model)
        check_output_file(given.output, inputs=inputs, overwrite=given.overwrite)
    model = load_any(given.model)
    if not isinstance(model, TextClassifier):
        raise ConfigError(f"suggest is for classifiers, and {given.model!r} gives numbers.")
    sheet = read_sheet(given.data, split=given.split)
    if _NUMBER in sheet.frame.columns:
        raise InputError(f"The table has a column {_NUMBER!r} already. Rename it first.")
    rows = texts_of(sheet.frame, text_columns(model, given.text_column))
    chosen = model.suggest(rows, given.n, strategy=given.strategy).tolist()
    some = sheet.take(chosen).with_columns({_NUMBER: chosen}, first=True)
    hand_over(kind.encode(some), given.output, f"{len(some)} of {len(sheet)} rows")
    return 0
