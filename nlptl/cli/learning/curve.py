"""Measure methods with more and more labels, and show how many labels a transfer saves.

All are trained on the same rows, and each training set contains the smaller ones. The first table
has the scores by number of labels, the second one the gain at the start, the gain from twice as
many labels, the score that a method approaches, and the number of labels with which the last
method is as good (break-even). Without --test, each draw of rows keeps back a share of DATA to test
on. Options are those of train, except those for saving a model and --shots: use --sizes. Flags for
these are refused, and such settings in a file are ignored.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nlptl.base.errors import ConfigError
from nlptl.base.optional_packages import require
from nlptl.base.paths import user_path
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
from nlptl.config.run import RunConfig
from nlptl.data.corpus import Corpus
from nlptl.evaluation.curve_scores import CurveScores
from nlptl.evaluation.transfer_curve import TransferCurve
from nlptl.reports.terminal_tables import curve_summary_table, curve_table
from nlptl.storage.atomic import new_file
from nlptl.storage.outputs import check_output_file

EXAMPLES = """examples:
  nlptl curve reviews.csv --transfer meaning
  nlptl curve few.csv --source books.csv --sizes 16 32 64 128 --picture curve.png
  nlptl curve reviews.csv --transfer contrastive --against frozen tfidf --test test.csv --draws 3
"""

_REFUSED = (*REFUSED, "shots")
"""Options of train that a curve has no use for."""

_OTHER_OPTIONS = ("sizes", "draws", "picture", "overwrite")

_FORMATS = (".png", ".svg", ".pdf")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command: those of ``train``, and those of the curve."""
    add_shared_arguments(parser, _REFUSED, overwrites="the file of --picture")
    parser.add_argument(
        "--sizes",
        metavar="N",
        type=int,
        nargs="+",
        help="numbers of labels; by default they double as long as there are training rows",
    )
    parser.add_argument(
        "--draws", type=int, default=5, help="random draws of rows (default %(default)s)"
    )
    parser.add_argument("--picture", metavar="FILE", help="write the curves to a png, svg or pdf")


@show_stages()
def run(arguments: Namespace) -> int:
    """Fit all methods on each number of labels and print the curves."""
    settings = read_settings(arguments, refused=_REFUSED, other_options=_OTHER_OPTIONS)
    picture = _checked_picture(arguments, settings) if arguments.picture else None
    methods = compared_methods(settings, arguments.against)
    models = {name: method.model() for name, method in methods.items()}
    rows, labels = train.read_labelled(settings.data, settings)
    test = None if settings.test is None else train.read_labelled(settings.test, settings)
    tested = rows if test is None else [*rows, *test[0]]
    curve = TransferCurve(
        models,
        rows,
        labels,
        arguments.sizes,
        draws=arguments.draws,
        test=None if test is None else Corpus(*test),
        test_share=settings.test_share,
        fit_params=corpora_of(settings, models, tested),
        seed=settings.seed,
    )
    if arguments.json:
        sys.stdout.write(json.dumps(curve.to_json()) + "\n")
    else:
        console().print(curve_table(curve), curve_summary_table(curve))
    if picture is not None:
        _draw(curve, picture)
    return 0


def _checked_picture(arguments: Namespace, settings: RunConfig) -> Path:
    """Return the path of a picture that can be drawn, before the long work begins.

    Raises
    ------
    ConfigError
        If the ending is not that of a known format, the file exists, or matplotlib is missing.
    """
    require("matplotlib", extra="plots")
    path = user_path(arguments.picture)
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(
            f"A picture ends in {', '.join(_FORMATS)}, got {path.name!r}. Choose one of these."
        )
    inputs = [name for name in (settings.data, settings.test, *settings.source) if name]
    check_output_file(arguments.picture, inputs=inputs, overwrite=arguments.overwrite)
    return path


def _draw(curve: CurveScores, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    curve.plot(figure.subplots())
    with new_file(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower())
