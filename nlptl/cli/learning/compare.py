"""Hold two transfers against each other on the labelled rows at hand.

Both learn from the same rows and are tested on the same others, several times over; the interval of
the gain allows for splits that share rows. A gain whose interval holds 0 is no clear difference.
Options are those of train, but for where a model would go and what would test it: flags for these
are refused, and what a file says of them is left aside.
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
from nlptl.config.run import Part, RunConfig, read_run
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
    """Declare the options of the command: those of ``train``, and how to compare."""
    train.add_arguments(parser)
    parser.add_argument("--against", metavar="NAME", default="frozen", help="the other transfer")
    parser.add_argument("--folds", type=int, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=2, help="how often the rows are dealt")
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no table")


def run(given: Namespace) -> int:
    """Fit both on every split, and say what came of it."""
    own = ("config", "against", "folds", "rounds", "json")
    flags = {name: value for name, value in vars(given).items() if name not in own}
    for name in ("output", "test", "test_share", "overwrite", "processes"):
        if flags.pop(name, None):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"compare tests on splits of DATA and keeps nothing: no {option}.")
    settings = replace(read_run(given.config, flags), output=None)
    named = settings.transfer.name or "frozen"
    if given.against == named:
        raise ConfigError(f"--transfer and --against are both {named!r}. Name another one.")
    shared = options_among(given.against, named, settings.transfer.options)
    other = replace(settings, transfer=Part(given.against, shared))
    rows, labels = train.few_of(*train.read_labelled(settings.data, settings), settings)
    verdict = judge(
        {named: settings.model(), given.against: other.model()},
        rows,
        labels,
        splits=Splits(given.folds, given.rounds, settings.seed),
        fit_params=_unlabeled(settings, (named, given.against)),
    )
    if given.json:
        sys.stdout.write(json.dumps({**verdict.to_json(), "rows": len(rows)}) + "\n")
    else:
        metric = "R²" if settings.numeric else "accuracy"
        console().print(verdict_table(verdict, metric=metric, n_rows=len(rows)))
    return 0


def _unlabeled(settings: RunConfig, names: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """Hand texts without labels to the transfers that take them, or to both encoders."""
    corpus = train.read_unlabeled(settings)
    methods = methods_by_name()
    reading = {n for n, m in methods.items() if "unlabeled" in m.kind.needs | m.accepts}
    taking = [name for name in names if reading & {part.strip() for part in name.split("+")}]
    return {} if corpus is None else {name: {"unlabeled": corpus} for name in taking or names}
