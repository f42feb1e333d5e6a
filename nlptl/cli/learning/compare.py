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
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.cli.console import console
from nlptl.cli.learning import train
from nlptl.cli.stages import show_stages
from nlptl.config.components import names_of, options_among
from nlptl.config.part import Part
from nlptl.config.run import RunConfig, read_run
from nlptl.evaluation.judge import Splits, judge
from nlptl.evaluation.method_cost import saved_mebibytes
from nlptl.reports.terminal_tables import verdict_table
from nlptl.transfer.registry import methods_by_name

EXAMPLES = """examples:
  nlptl compare reviews.csv --transfer meaning
  nlptl compare reviews.csv --shots 8 --transfer contrastive+meaning --against meaning --rounds 1
  nlptl compare reviews.csv --transfer full --against lora static tfidf frozen
  nlptl compare data.csv --transfer full --against lora --json
  nlptl compare data.csv --transfer selftraining --unlabeled texts.csv
  nlptl compare few.csv --source books.csv --unlabeled texts.csv
"""

RECOMMENDED = "recommended"
"""Name of the transfers that ``fit`` chooses for a source."""

_REFUSED = ("output", "test", "test_share", "overwrite", "processes", "on_harm")
"""Options of train that a comparison has no use for."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command: those of ``train``, and those of the comparison."""
    train.add_arguments(parser)
    for action in parser._actions:
        if action.dest in _REFUSED:
            action.help = SUPPRESS
    parser.add_argument(
        "--against",
        metavar="NAME",
        nargs="+",
        default=["frozen"],
        help="other transfers, or encoders with a frozen head; the last one is the baseline, "
        "by default frozen",
    )
    parser.add_argument(
        "--folds", type=int, default=5, help="folds per round (default %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds, each with new folds (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no table")


@show_stages()
def run(arguments: Namespace) -> int:
    """Fit all methods on every split and print the comparison."""
    compare_options = ("config", "encoding", "against", "folds", "rounds", "json")
    flags = {name: value for name, value in vars(arguments).items() if name not in compare_options}
    for name in _REFUSED:
        if flags.pop(name, None):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"compare tests on splits of DATA and saves no model, so it takes no {option}. "
                "Leave it out."
            )
    settings = replace(read_run(arguments.config, flags), output=None, on_harm=None)
    if not settings.data:
        raise ConfigError(
            "compare tests on labelled rows of DATA, got none. Add DATA, or use train."
        )
    methods = _methods(settings, arguments.against)
    models = {name: method.model() for name, method in methods.items()}
    rows, labels = train.few_of(*train.read_labelled(settings.data, settings), settings)
    fit_params = _corpora(settings, models)
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


def _methods(settings: RunConfig, others: Sequence[str]) -> dict[str, RunConfig]:
    """Return the settings of each method by its name: an encoder, or a transfer.

    Raises
    ------
    ConfigError
        If a name comes twice.
    """
    transfer = settings.transfer.name or "frozen"
    recommends = settings.source and not settings.transfer.name
    methods = {RECOMMENDED if recommends else transfer: settings}
    for name in others:
        if name in methods:
            raise ConfigError(
                f"--transfer and --against must differ, got {name!r} twice. Choose another method."
            )
        if name in names_of("encoder"):
            methods[name] = replace(settings, encoder=Part(name), transfer=Part("frozen"))
        else:
            shared = options_among(name, transfer, settings.transfer.options)
            methods[name] = replace(settings, transfer=Part(name, shared))
    return methods


def _corpora(settings: RunConfig, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the source and the unlabelled texts for the methods that take them.

    If no method takes a corpus, all get it: some encoders use it, and ``fit`` refuses the rest.
    """
    corpora = {"source": train.read_source(settings), "unlabeled": train.read_unlabeled(settings)}
    fit_params: dict[str, dict[str, Any]] = {name: {} for name in names}
    for argument, corpus in corpora.items():
        if corpus is not None:
            for name in _takers(argument, names) or names:
                fit_params[name][argument] = corpus
    return fit_params


def _takers(argument: str, names: Collection[str]) -> list[str]:
    """Return the names of the methods that need or accept an argument of ``fit``."""
    takers = {
        name
        for name, method in methods_by_name().items()
        if argument in method.kind.needs | method.kind.accepts | method.accepts
    }
    takers.add(RECOMMENDED)
    return [name for name in names if takers & {part.strip() for part in name.split("+")}]
