"""Evaluate a saved model on labelled data.

For a classifier: accuracy with its interval, and the scores of each class. For a regressor:
correlations and errors.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nlptl.cli.console import add_columns, console, labelled_rows
from nlptl.cli.tables import add_drop_blank
from nlptl.data.rows import Rows
from nlptl.estimators.loading import load_any, load_predictor
from nlptl.estimators.model_cascade import Cascade
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier

if TYPE_CHECKING:
    from nlptl.evaluation.intervals import Interval

EXAMPLES = """examples:
  nlptl evaluate model/ test.csv
  nlptl evaluate model/ test.csv --task mood
  nlptl evaluate model/ test.parquet --label-column stars --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("data", help="labelled table")
    add_columns(parser, label=True)
    add_drop_blank(parser)
    parser.add_argument(
        "--task", metavar="NAME", help="the task to evaluate, if the model has several"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no tables")


def run(arguments: Namespace) -> int:
    """Load the model, evaluate it and print the metrics."""
    model = load_predictor(arguments.model) or load_any(arguments.model, task=arguments.task)
    rows, labels = labelled_rows(model, arguments.data, arguments)
    if isinstance(model, TextClassifier | OnnxClassifier | Cascade):
        return _show(model, rows, labels, as_json=arguments.json)
    metrics = model.evaluate(rows, labels)
    return _show_metrics(metrics, len(rows), as_json=arguments.json)


def _show(
    classifier: TextClassifier | OnnxClassifier | Cascade,
    rows: Rows,
    labels: Sequence[object],
    *,
    as_json: bool,
) -> int:
    from nlptl.evaluation.intervals import share_interval
    from nlptl.reports.terminal_tables import classes_table

    metrics = classifier.evaluate(rows, labels)
    interval = share_interval(round(metrics["accuracy"] * len(rows)), len(rows))
    _show_metrics(metrics, len(rows), interval=interval, as_json=as_json)
    if not as_json:
        console().print(classes_table(classifier.class_scores(rows, labels)))
    return 0


def _show_metrics(
    metrics: dict[str, float], n_rows: int, *, interval: Interval | None = None, as_json: bool
) -> int:
    from nlptl.reports.terminal_tables import metrics_table

    if not as_json:
        console().print(metrics_table(metrics, interval=interval))
        return 0
    limits = {} if interval is None else {"interval": [interval.low, interval.high]}
    sys.stdout.write(json.dumps({**metrics, "rows": n_rows, **limits}) + "\n")
    return 0
