"""Label texts with a saved model: a whole table, or a few texts given on the command line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.names import suggest
from nlptl.cli.console import add_columns, console, texts_of
from nlptl.data.reading import read_table
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.storage.atomic import write_file

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = """examples:
  nlptl predict model/ --text "Where is my parcel?"
  nlptl predict model/ texts.csv --output predictions.csv
  nlptl predict model/ pairs.parquet --text-column a b --output predictions.parquet
"""

_WRITERS: dict[str, Callable[[Any], bytes]] = {
    ".csv": lambda table: table.to_csv(index=False).encode(),
    ".tsv": lambda table: table.to_csv(index=False, sep="\t").encode(),
    ".jsonl": lambda table: table.to_json(orient="records", lines=True, force_ascii=False).encode(),
    ".parquet": lambda table: bytes(table.to_parquet(index=False)),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("data", nargs="?", help="table of texts")
    add_columns(parser, label=False)
    parser.add_argument("--text", action="append", help="a text to label; may be given again")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="csv, tsv, jsonl or parquet; the rows of DATA with two more columns",
    )


def run(given: Namespace) -> int:
    """Load, label, show or write."""
    if (given.data is None) == (given.text is None):
        raise ConfigError("Give either a table of texts (DATA) or --text TEXT, one of the two.")
    writer = _writer(given.output)
    classifier = TextClassifier.load(given.model)
    if given.text is not None:
        return _show(classifier, given.text)
    table = read_table(given.data, split=given.split)
    trained = classifier.notes_.get("run", {})
    rows = texts_of(table, given.text_column or trained.get("text_column") or ["text"])
    labelled = _labelled(table, classifier, rows)
    if given.output is None:
        sys.stdout.write(labelled.to_csv(index=False))
        return 0
    write_file(Path(given.output), writer(labelled))
    console().print(f"{len(labelled)} rows written to {given.output}")
    return 0


def _labelled(table: pd.DataFrame, classifier: TextClassifier, rows: Any) -> pd.DataFrame:
    taken = {"predicted", "probability"} & set(table.columns)
    if taken:
        raise InputError(f"The table has a column {taken.pop()!r} already. Rename it first.")
    probabilities = classifier.predict_proba(rows)
    chosen = classifier.decode(probabilities)
    labels = [json.dumps(label) if isinstance(label, list) else label for label in chosen]
    sure = probabilities.max(axis=1).round(4)
    labelled: pd.DataFrame = table.assign(predicted=labels, probability=sure)
    return labelled


def _show(classifier: TextClassifier, texts: list[str]) -> int:
    from nlptl.reports.tables import predictions_table

    probabilities = classifier.predict_proba(texts)
    labels = classifier.decode(probabilities)
    console().print(predictions_table(texts, list(labels), probabilities.max(axis=1).tolist()))
    return 0


def _writer(output: str | None) -> Callable[[Any], bytes]:
    ending = Path(output).suffix.lower() if output else ".csv"
    if ending not in _WRITERS:
        raise ConfigError(f"Cannot write {output!r}: {suggest(ending, _WRITERS)}")
    return _WRITERS[ending]
