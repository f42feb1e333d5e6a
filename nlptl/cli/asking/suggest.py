"""Choose the unlabelled texts that are most useful to label next.

The chosen rows are written with the most useful row first. Their first column is the number of the
row in the table. Label these rows, add them to the training rows, and train again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError, InputError
from nlptl.cli.console import add_columns, hand_over
from nlptl.cli.tables import add_encoding
from nlptl.data.tables.reading import read_sheet, texts_of
from nlptl.data.tables.writing import table_format
from nlptl.estimators.bulk.answered_rows import text_columns
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.storage.outputs import check_output_file
from nlptl.transfer.instances.selection import STRATEGIES

EXAMPLES = """examples:
  nlptl suggest model/ unlabelled.csv -n 20
  nlptl suggest model/ unlabelled.csv -n 100 --strategy uncertain --output to_label.csv
"""

_NUMBER_COLUMN = "row"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier")
    parser.add_argument("data", help="table of unlabelled texts")
    add_columns(parser, label=False)
    add_encoding(parser)
    parser.add_argument("-n", type=int, default=10, metavar="N", help="number of texts to choose")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="both",
        help="uncertain (the model is unsure), diverse (the texts differ), or both (default)",
    )
    parser.add_argument("--output", metavar="FILE", help="csv, tsv, jsonl or parquet")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: Namespace) -> int:
    """Load the model, choose rows and write them."""
    kind = table_format(arguments.output or "-.csv")
    if arguments.output is not None:
        inputs = (arguments.data, arguments.model)
        check_output_file(arguments.output, inputs=inputs, overwrite=arguments.overwrite)
    model = load_any(arguments.model)
    if not isinstance(model, TextClassifier):
        raise ConfigError(
            f"suggest needs a classifier, got a {model.kind} in {arguments.model!r}. "
            "Choose a saved classifier."
        )
    sheet = read_sheet(arguments.data, split=arguments.split)
    if _NUMBER_COLUMN in sheet.frame.columns:
        raise InputError(f"The table has a column {_NUMBER_COLUMN!r} already. Rename it first.")
    rows = texts_of(sheet.frame, text_columns(model, arguments.text_column))
    chosen = model.suggest(rows, arguments.n, strategy=arguments.strategy).tolist()
    selection = sheet.take(chosen).with_columns({_NUMBER_COLUMN: chosen}, first=True)
    hand_over(kind.encode(selection), arguments.output, f"{len(selection)} of {len(sheet)} rows")
    return 0
