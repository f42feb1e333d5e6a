"""Measure a saved model on labelled data: accuracy with its interval, and every class."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from nlptl.cli.console import add_columns, console, texts_of
from nlptl.data.reading import column, read_table
from nlptl.estimators.text_classifier import TextClassifier

EXAMPLES = """examples:
  nlptl evaluate model/ test.csv
  nlptl evaluate model/ test.parquet --label-column stars --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("data", help="labelled table")
    add_columns(parser, label=True)
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no tables")


def run(given: Namespace) -> int:
    """Load, measure, show."""
    classifier = TextClassifier.load(given.model)
    trained = classifier.notes_.get("run", {})
    table = read_table(given.data, split=given.split)
    rows = texts_of(table, given.text_column or trained.get("text_column") or ["text"])
    labels = column(table, given.label_column or trained.get("label_column") or "label")
    return _show(classifier, rows, labels, as_json=given.json)


def _show(classifier: TextClassifier, rows: Any, labels: list[Any], *, as_json: bool) -> int:
    from nlptl.evaluation.intervals import share_interval
    from nlptl.reports.tables import classes_table, metrics_table

    figures = classifier.evaluate(rows, labels)
    interval = share_interval(round(figures["accuracy"] * len(rows)), len(rows))
    if as_json:
        record = {**figures, "rows": len(rows), "interval": [interval.low, interval.high]}
        sys.stdout.write(json.dumps(record) + "\n")
        return 0
    out = console()
    out.print(metrics_table(figures, interval=interval))
    out.print(classes_table(classifier.class_scores(rows, labels)))
    return 0
