"""Compare two transfers on repeated splits of the same labelled rows.

Both are trained on the same rows and tested on the same other rows, several times. The interval of
the gain accounts for splits that share rows. If the interval contains 0, there is no clear
difference. Options are those of train, except the options for the output and the test rows. Flags
for these are refused, and such settings in a file are ignored.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.cli.console import console
from nlptl.cli.learning import train
from nlptl.config.components import options_among
from nlptl.config.part import Part
from nlptl.config.run import RunConfig, read_run
from nlptl.evaluation.judge import Splits, judge
from nlptl.reports.terminal_tables import verdict_table
from nlptl.transfer.registry import methods_by_name

EXAMPLES = """examples:
  nlptl compare reviews.csv --transfer meaning
  nlptl compare reviews.csv --shots 8 --transfer contrastive+meaning --against meaning --rounds 1
  nlptl compare data.csv --transfer full --against lora --json
  nlptl compare data.csv --transfer selftraining --unlabeled texts.csv
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command: those of ``train``, and those of the comparison."""
    train.add_arguments(parser)
    parser.add_argument(
        "--against", metavar="NAME", default="frozen", help="the other transfer, default frozen"
    )
    parser.add_argument("--folds", type=int, default=5, help="number of folds per round")
    parser.add_argument(
        "--rounds", type=int, default=2, help="number of rounds, each with new folds"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no table")


def run(arguments: Namespace) -> int:
    """Fit both transfers on every split and print the comparison."""
    compare_options = ("config", "against", "folds", "rounds", "json")
    flags = {name: value for name, value in vars(arguments).items() if name not in compare_options}
    for name in ("output", "test", "test_share", "overwrite", "processes"):
        if flags.pop(name, None):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"compare tests on splits of DATA and saves no model, so it takes no {option}. "
                "Leave it out."
            )
    settings = replace(read_run(arguments.config, flags), output=None)
    transfer = settings.transfer.name or "frozen"
    if arguments.against == transfer:
        raise ConfigError(
            f"--transfer and --against must differ, got {transfer!r} for both. "
            "Choose another transfer."
        )
    shared = options_among(arguments.against, transfer, settings.transfer.options)
    other = replace(settings, transfer=Part(arguments.against, shared))
    rows, labels = train.few_of(*train.read_labelled(settings.data, settings), settings)
    verdict = judge(
        {transfer: settings.model(), arguments.against: other.model()},
        rows,
        labels,
        splits=Splits(arguments.folds, arguments.rounds, settings.seed),
        fit_params=_unlabeled(settings, (transfer, arguments.against)),
    )
    if arguments.json:
        sys.stdout.write(json.dumps(verdict.to_json()) + "\n")
    else:
        metric = "R²" if settings.numeric else "accuracy"
        console().print(verdict_table(verdict, metric=metric))
    return 0


def _unlabeled(settings: RunConfig, names: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """Return the unlabelled texts for the transfers that take them, or for both encoders."""
    corpus = train.read_unlabeled(settings)
    methods = methods_by_name()
    takers = {n for n, m in methods.items() if "unlabeled" in m.kind.needs | m.accepts}
    receivers = [name for name in names if takers & {part.strip() for part in name.split("+")}]
    return {} if corpus is None else {name: {"unlabeled": corpus} for name in receivers or names}
