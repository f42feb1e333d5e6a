"""Predict labels or numbers with a saved model, for a table or for a few texts.

By default the table is read as a whole. With --chunk-rows, --processes or --config it is read and
scored in blocks, in one process or several. Finished blocks are kept, and the same command resumes
an interrupted run.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError, InputError
from nlptl.cli.console import add_columns, console, hand_over
from nlptl.cli.tables import STANDARD_INPUT, add_encoding, read_input
from nlptl.config.bulk import read_job
from nlptl.data.tables.reading import texts_of
from nlptl.data.tables.sheet import Sheet
from nlptl.data.tables.writing import table_format
from nlptl.estimators.bulk.answered_rows import (
    MoreColumns,
    answers,
    answers_of_tasks,
    labelled,
    text_columns,
)
from nlptl.estimators.bulk.job import score_table
from nlptl.estimators.loading import load_every
from nlptl.estimators.model_cascade import Cascade
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.text_model import TextModel
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.outputs import check_output_file

EXAMPLES = """examples:
  nlptl predict model/ --text "Where is my parcel?"
  nlptl predict model/ texts.csv --output predictions.csv
  cat texts.csv | nlptl predict model/ - > predictions.csv
  nlptl predict model/ texts.csv --top 3 --output predictions.csv
  nlptl predict model/ pairs.parquet --text-column a b --output predictions.parquet
  nlptl predict model/ large.csv --output predictions.csv --chunk-rows 4096
  accelerate launch -m nlptl predict --config recipes/predict.yaml
"""
INTERRUPTED = "no incomplete output was left; finished blocks are kept, if there are any"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", nargs="?", help="folder of a saved model")
    parser.add_argument("data", nargs="?", help="table of texts; - is standard input")
    add_columns(parser, label=False)
    add_encoding(parser)
    parser.add_argument("--text", action="append", help="a text to predict; can be repeated")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="csv, tsv, jsonl or parquet; the rows of DATA with 'predicted' and 'probability'",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--top", type=int, metavar="N", help="also the next classes, N of them with the first"
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="also the probability of each class"
    )
    parser.add_argument("--config", metavar="YAML", help="file with settings; flags override it")
    parser.add_argument("--chunk-rows", metavar="N", help="score blocks of N rows, and resume")
    parser.add_argument("--processes", metavar="N", help="required number of processes")


def run(arguments: Namespace) -> int:
    """Load the model, predict, and print or write the predictions."""
    if arguments.config or arguments.chunk_rows or arguments.processes:
        return _in_blocks(arguments)
    if arguments.model is None:
        raise ConfigError("predict needs a saved model, got none. Pass its folder.")
    if (arguments.data is None) == (arguments.text is None):
        received = "neither" if arguments.data is None else "both"
        raise ConfigError(
            f"predict takes either a table of texts (DATA) or --text TEXT, got {received}. "
            "Pass exactly one."
        )
    kind = table_format(arguments.output or "-.csv")
    if arguments.output is not None:
        inputs = (arguments.data, arguments.model)
        check_output_file(arguments.output, inputs=inputs, overwrite=arguments.overwrite)
    model = load_every(arguments.model)
    sheet = None
    if arguments.data is not None:
        sheet = read_input(arguments.data, split=arguments.split)
    if isinstance(model, MultiTaskModel):
        return _every_task(model, arguments, sheet)
    more = MoreColumns(1 if arguments.top is None else arguments.top, arguments.probabilities)
    if sheet is None:
        return _show(model, arguments.text, more, output=arguments.output)
    rows = texts_of(sheet.frame, text_columns(model, arguments.text_column))
    table = labelled(sheet, model, rows, more=more)
    hand_over(kind.encode(table), arguments.output, f"{len(sheet)} rows")
    return 0


def _in_blocks(arguments: Namespace) -> int:
    """Score a large table in blocks, in every process of the launch."""
    refused = {
        f"--{name}": getattr(arguments, name) for name in ("text", "split", "encoding", "top")
    }
    refused["--probabilities"] = arguments.probabilities or None
    refused["DATA"] = arguments.data if arguments.data in STANDARD_INPUT else None
    for name, value in refused.items():
        if value is not None:
            raise ConfigError(
                "A table that is scored in blocks is one UTF-8 file with the usual columns, got "
                f"{name} {value!r}. Leave it out, or leave out --config, --chunk-rows and "
                "--processes."
            )
    names = ("model", "data", "output", "text_column", "chunk_rows", "processes")
    flags = {name: getattr(arguments, name) for name in names}
    job = read_job(arguments.config, {**flags, "overwrite": arguments.overwrite or None})
    score_table(job, report=lambda line: sys.stderr.write(f"{line}\n"))
    return 0


def _every_task(model: MultiTaskModel, arguments: Namespace, sheet: Sheet | None) -> int:
    """Print or write the predictions of every task that accepts such texts."""
    import pandas as pd

    if arguments.top is not None or arguments.probabilities:
        raise ConfigError(
            "--top and --probabilities are for a model with one task, but this one has several. "
            "Leave them out."
        )
    if sheet is None:
        predictions = answers_of_tasks(model, arguments.text)
        content = pd.DataFrame({"text": arguments.text, **predictions})
        kind = table_format(arguments.output or "-.csv")
        hand_over(kind.encode(content), arguments.output, "Predictions")
        return 0
    predictions = answers_of_tasks(model, texts_of(sheet.frame, arguments.text_column or ["text"]))
    clashes = [name for name in predictions if name in sheet.frame.columns]
    if clashes:
        raise InputError(f"The table has a column {clashes[0]!r} already. Rename it first.")
    kind = table_format(arguments.output or "-.csv")
    hand_over(kind.encode(sheet.with_columns(predictions)), arguments.output, f"{len(sheet)} rows")
    return 0


def _show(
    model: TextModel | OnnxClassifier | Cascade,
    texts: list[str],
    more: MoreColumns,
    *,
    output: str | None,
) -> int:
    """Print the predictions for some texts, or write them to a file."""
    from nlptl.reports.terminal_tables import predictions_table

    columns = answers(model, texts, more=more)
    if output is not None:
        import pandas as pd

        content = pd.DataFrame({"text": texts, **columns})
        hand_over(table_format(output).encode(content), output, f"{len(texts)} rows")
        return 0
    predicted, probability = columns.pop("predicted"), columns.pop("probability", None)
    columns.pop("passed_on", None)
    console().print(predictions_table(texts, predicted, probability, columns))
    return 0
