"""Put a fast model in front of a saved classifier: it answers the texts that it is sure about.

The fast model is made by distillation on half of the texts, or is named by --fast. On the other
texts, the command chooses the probability from which the fast model answers, so that the loss of
accuracy is at most --max-loss. Name the labels with --label-column if the table has some: then more
texts are answered by the fast model. No model may have been trained on the texts.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console, labelled_rows
from nlptl.cli.stages import show_stages
from nlptl.cli.tables import add_reading, read_texts
from nlptl.data.rows import Rows
from nlptl.estimators.bulk.answered_rows import text_columns
from nlptl.estimators.loading import load_any, load_predictor
from nlptl.estimators.model_cascade import Cascade
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.saving.model_folder import check_model_folder

EXAMPLES = """examples:
  nlptl cascade model/ texts.csv --output cascade/
  nlptl cascade model/ held_out.csv --label-column label --fast graph/ --output cascade/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier: the accurate model")
    parser.add_argument("data", help="table of texts that the model was not trained on")
    add_columns(parser, label=True)
    add_reading(parser)
    parser.add_argument(
        "--fast",
        metavar="FOLDER",
        help="a saved classifier or an exported graph; default: distilled from the accurate model",
    )
    parser.add_argument(
        "--max-loss", type=float, default=0.005, help="maximum loss of accuracy, default 0.005"
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.9,
        help="probability that the loss stays below --max-loss, default 0.9",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder for the cascade")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing model")


@show_stages()
def run(arguments: Namespace) -> int:
    """Make the fast model, choose the threshold and save both models together."""
    folder = user_path(arguments.output)
    inputs = (arguments.model, arguments.data, arguments.fast)
    check_model_folder(folder, inputs=inputs, overwrite=arguments.overwrite)
    accurate = load_any(arguments.model)
    if not isinstance(accurate, TextClassifier) or accurate.fitted_.codec.form != "single":
        raise ConfigError(
            f"cascade needs a classifier with one label per text, got a {accurate.kind} in "
            f"{arguments.model!r}. Choose another model."
        )
    rows, labels = _rows(accurate, arguments)
    options = {"max_loss": arguments.max_loss, "confidence": arguments.confidence}
    order = np.random.default_rng(accurate.seed).permutation(len(rows))
    held_out = order if arguments.fast else order[len(rows) // 2 :]
    Cascade(None, accurate, **options).check_number(len(held_out))  # before the distillation
    if arguments.fast:
        fast: Any = load_predictor(arguments.fast) or load_any(arguments.fast)
    else:
        fast = accurate.distill(rows.take(order[: len(rows) // 2]))
    truth = None if labels is None else [labels[int(row)] for row in held_out]
    cascade = Cascade(fast, accurate, **options).fit(rows.take(held_out), truth)
    cascade.save(folder)
    console().print(str(cascade.report_), soft_wrap=True)
    console().print(f"Saved and read back: {arguments.output}", soft_wrap=True)
    return 0


def _rows(model: TextClassifier, arguments: Namespace) -> tuple[Rows, list[object] | None]:
    """Read the texts, and their labels if their column is named."""
    if arguments.label_column is not None:
        return labelled_rows(model, arguments.data, arguments)
    columns = text_columns(model, arguments.text_column)
    split, drop_blank = arguments.split, arguments.drop_blank
    return read_texts(arguments.data, columns, split=split, drop_blank=drop_blank), None
