"""Label texts with a saved model: a whole table, or a few texts given on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError, InputError
from nlptl.cli.console import add_columns, console, hand_over
from nlptl.data.tables.sheet import Sheet
from nlptl.data.tables.table_reading import read_sheet, texts_of
from nlptl.data.tables.table_writing import table_format
from nlptl.estimators.bulk.answered_rows import answers, answers_of_tasks, labelled, text_columns
from nlptl.estimators.loading import load_every
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.text_model import TextModel
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.outputs import check_output_file

EXAMPLES = """examples:
  nlptl predict model/ --text "Where is my parcel?"
  nlptl predict model/ texts.csv --output predictions.csv
  nlptl predict model/ pairs.parquet --text-column a b --output predictions.parquet
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("data", nargs="?", help="table of texts")
    add_columns(parser, label=False)
    parser.add_argument("--text", action="append", help="a text to label; may be given again")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="csv, tsv, jsonl or parquet; the rows of DATA, 'predicted' and 'probability'",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def run(given: Namespace) -> int:
    """Load, label, show or write."""
    if (given.data is None) == (given.text is None):
        raise ConfigError("Give either a table of texts (DATA) or --text TEXT, one of the two.")
    kind = table_format(given.output or "-.csv")
    if given.output is not None:
        inputs = (given.data, given.model)
        check_output_file(given.output, inputs=inputs, overwrite=given.overwrite)
    model = load_every(given.model)
    sheet = None if given.data is None else read_sheet(given.data, split=given.split)
    if isinstance(model, MultiTaskModel):
        return _every_task(model, given, sheet)
    if sheet is None:
        return _show(model, given.text)
    rows = texts_of(sheet.frame, text_columns(model, given.text_column))
    hand_over(kind.encode(labelled(sheet, model, rows)), given.output, f"{len(sheet)} rows")
    return 0


def _every_task(model: MultiTaskModel, given: Namespace, sheet: Sheet | None) -> int:
    """Show or write what every task says that takes such texts."""
    import pandas as pd

    if sheet is None:
        found = answers_of_tasks(model, given.text)
        content = pd.DataFrame({"text": given.text, **found})
        hand_over(table_format(given.output or "-.csv").encode(content), given.output, "Answers")
        return 0
    found = answers_of_tasks(model, texts_of(sheet.frame, given.text_column or ["text"]))
    taken = [name for name in found if name in sheet.frame.columns]
    if taken:
        raise InputError(f"The table has a column {taken[0]!r} already. Rename it first.")
    kind = table_format(given.output or "-.csv")
    hand_over(kind.encode(sheet.with_columns(found)), given.output, f"{len(sheet)} rows")
    return 0


def _show(model: TextModel | OnnxClassifier, texts: list[str]) -> int:
    from nlptl.reports.terminal_tables import predictions_table

    found = answers(model, texts)
    console().print(predictions_table(texts, found["predicted"], found.get("probability")))
    return 0
