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

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console, hand_over, labelled_rows
from nlptl.cli.tables import add_reading
from nlptl.data.rows import Rows
from nlptl.data.tables.writing import table_format
from nlptl.estimators.loading import load_any, load_predictor
from nlptl.estimators.model_cascade import Cascade
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.atomic import write_file
from nlptl.storage.outputs import check_output_file

if TYPE_CHECKING:
    from nlptl.evaluation.class_metrics import ClassScore
    from nlptl.evaluation.error_report import ErrorReport
    from nlptl.evaluation.intervals import Interval

EXAMPLES = """examples:
  nlptl evaluate model/ test.csv
  nlptl evaluate model/ test.csv --task mood
  nlptl evaluate model/ test.csv --errors errors.csv
  nlptl evaluate model/ test.parquet --label-column stars --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("data", help="labelled table")
    add_columns(parser, label=True)
    add_reading(parser)
    parser.add_argument(
        "--task", metavar="NAME", help="the task to evaluate, if the model has several"
    )
    parser.add_argument(
        "--errors", metavar="FILE", help="write the wrong rows, the most confident mistakes first"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --errors")
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no tables")


def run(arguments: Namespace) -> int:
    """Load the model, evaluate it and print the metrics."""
    if arguments.errors is not None:
        inputs = (arguments.data, arguments.model)
        check_output_file(arguments.errors, inputs=inputs, overwrite=arguments.overwrite)
        table_format(arguments.errors)
    model = None if arguments.task else load_predictor(arguments.model)
    model = model or load_any(arguments.model, task=arguments.task)
    rows, labels = labelled_rows(model, arguments.data, arguments)
    if isinstance(model, TextClassifier | OnnxClassifier | Cascade):
        _show(_measured(model, rows, labels), len(rows), arguments)
        return 0
    if arguments.errors is not None:
        raise ConfigError("--errors is for classifiers, but this model predicts numbers.")
    metrics = model.evaluate(rows, labels)
    return _show_metrics(metrics, len(rows), as_json=arguments.json)


def _measured(
    classifier: TextClassifier | OnnxClassifier | Cascade, rows: Rows, labels: Sequence[object]
) -> tuple[dict[str, float], list[ClassScore], ErrorReport]:
    """Return metrics, scores per class and mistakes. A fitted model encodes the texts once."""
    if not isinstance(classifier, TextClassifier):
        model = classifier
        return (
            model.evaluate(rows, labels),
            model.class_scores(rows, labels),
            model.errors(rows, labels),
        )
    fitted = classifier.fitted_
    outputs = fitted.outputs(rows)
    return (
        fitted.figures(outputs, labels),
        fitted.class_scores(outputs, labels),
        fitted.errors(rows, outputs, labels),
    )


def _show(
    measured: tuple[dict[str, float], list[ClassScore], ErrorReport],
    n_rows: int,
    arguments: Namespace,
) -> None:
    from nlptl.evaluation.intervals import share_interval
    from nlptl.reports.terminal_tables import classes_table

    metrics, scores, errors = measured
    interval = share_interval(round(metrics["accuracy"] * n_rows), n_rows)
    _show_metrics(metrics, n_rows, interval=interval, as_json=arguments.json)
    if not arguments.json:
        console().print(classes_table(scores))
    _show_errors(errors, arguments)


def _show_errors(report: ErrorReport, arguments: Namespace) -> None:
    """Print the confused classes, and write the wrong rows if a file was named."""
    from nlptl.reports.terminal_tables import confused_table

    if not arguments.json and len(report):
        console().print(confused_table(report.confused))
    if arguments.errors is not None:
        table = report.rows
        for name in ("label", "predicted"):
            cells = [json.dumps(cell) if isinstance(cell, list) else cell for cell in table[name]]
            table = table.assign(**{name: cells})
        content = table_format(arguments.errors).encode(table)
        if arguments.json:  # nothing else may be printed
            write_file(user_path(arguments.errors), content)
        else:
            hand_over(content, arguments.errors, f"{len(report)} wrong rows")


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
