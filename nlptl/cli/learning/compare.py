"""Compare two or more methods on repeated splits of the same labelled rows.

All are trained on the same rows and tested on the same other rows, several times. The table has
their scores, the gain over the last method, the seconds and the size of the saved model. The
interval of a gain accounts for splits that share rows. If it contains 0, there is no clear
difference. With --source and no --transfer, the recommended transfer for it is compared with the
same rows without the source. Options are those of train, except the options for the output and the
test rows. Flags for these are refused, and such settings in a file are ignored.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from nlptl.cli.console import console
from nlptl.cli.learning import train
from nlptl.cli.learning.compared_methods import (
    REFUSED,
    add_shared_arguments,
    compared_methods,
    corpora_of,
    read_settings,
)
from nlptl.cli.stages import show_stages
from nlptl.evaluation.judge import Splits, judge
from nlptl.evaluation.method_cost import saved_mebibytes
from nlptl.reports.terminal_tables import verdict_table

EXAMPLES = """examples:
  nlptl compare reviews.csv --transfer meaning
  nlptl compare reviews.csv --shots 8 --transfer contrastive+meaning --against meaning --rounds 1
  nlptl compare reviews.csv --transfer full --against lora static tfidf frozen
  nlptl compare data.csv --transfer full --against lora --json
  nlptl compare data.csv --transfer selftraining --unlabeled texts.csv
  nlptl compare few.csv --source books.csv --unlabeled texts.csv
"""

_REFUSED = (*REFUSED, "test", "test_share", "overwrite")
"""Options of train that a comparison has no use for."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command: those of ``train``, and those of the comparison."""
    add_shared_arguments(parser, _REFUSED)
    parser.add_argument(
        "--folds", type=int, default=5, help="folds per round (default %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds, each with new folds (default %(default)s)"
    )


@show_stages()
def run(arguments: Namespace) -> int:
    """Fit all methods on every split and print the comparison."""
    settings = read_settings(arguments, refused=_REFUSED, other_options=("folds", "rounds"))
    methods = compared_methods(settings, arguments.against)
    models = {name: method.model() for name, method in methods.items()}
    rows, labels = train.few_of(*train.read_labelled(settings.data, settings), settings)
    fit_params = corpora_of(settings, models, rows)
    splits = Splits(arguments.folds, arguments.rounds, settings.seed)
    verdict = judge(models, rows, labels, splits=splits, fit_params=fit_params)
    costs = {}
    for name, model in models.items():
        size = saved_mebibytes(model.fit(rows, labels, **fit_params.get(name, {})))
        costs[name] = replace(verdict.costs[name], mebibytes=size)
    verdict = replace(verdict, metric="R²" if settings.numeric else "accuracy", costs=costs)
    if arguments.json:
        sys.stdout.write(json.dumps(verdict.to_json()) + "\n")
    else:
        console().print(verdict_table(verdict))
    return 0
