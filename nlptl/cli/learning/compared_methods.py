"""Methods to compare on the command line, and the options of such commands."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import TextsLike
from nlptl.cli.learning import train
from nlptl.config.components import names_of, options_among
from nlptl.config.part import Part
from nlptl.config.run import RunConfig, read_run
from nlptl.data.corpus import Corpus
from nlptl.transfer.registry import methods_by_name

RECOMMENDED = "recommended"
"""Name of the transfers that ``fit`` chooses for a source."""

REFUSED = ("output", "processes", "on_harm", "export_format")
"""Options of ``train`` that are useless if no model is saved."""


def add_shared_arguments(
    parser: ArgumentParser, refused: Sequence[str], *, overwrites: str = ""
) -> None:
    """Declare the options of ``train`` without those that are refused, and ``--against``.

    Parameters
    ----------
    parser : ArgumentParser
        The parser of the command.
    refused : sequence of str
        Options of ``train`` that the command does not take.
    overwrites : str
        What ``--overwrite`` replaces, for its help.
    """
    train.add_arguments(parser)
    for action in parser._actions:
        if action.dest in refused:
            action.help = SUPPRESS
        if action.dest == "overwrite" and overwrites:
            action.help = f"replace {overwrites}"
    parser.add_argument(
        "--against",
        metavar="NAME",
        nargs="+",
        default=["frozen"],
        help="other transfers, or encoders with a frozen head; the last one is the baseline, "
        "by default frozen",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no table")


def read_settings(
    arguments: Namespace, *, refused: Sequence[str], other_options: Sequence[str]
) -> RunConfig:
    """Read the settings of the compared methods.

    Parameters
    ----------
    arguments : Namespace
        Options of the command.
    refused : sequence of str
        Options of ``train`` that the command does not take: ``REFUSED`` and others.
    other_options : sequence of str
        Options that ``train`` does not have.

    Raises
    ------
    ConfigError
        If a refused option is used, or there are no labelled rows.
    """
    skipped = ("config", "encoding", "against", "json", *other_options)
    flags = {name: value for name, value in vars(arguments).items() if name not in skipped}
    for name in refused:
        if flags.pop(name, None):
            option = "--for" if name == "export_format" else f"--{name.replace('_', '-')}"
            raise ConfigError(
                "A comparison of methods saves no model and chooses the rows of each fit, so "
                f"there is no {option}. Leave it out."
            )
    settings = replace(read_run(arguments.config, flags), output=None, on_harm=None)
    if not settings.data:
        raise ConfigError(
            "Methods are compared on labelled rows of DATA, got none. Add DATA, or use train."
        )
    return settings


def compared_methods(settings: RunConfig, others: Sequence[str]) -> dict[str, RunConfig]:
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


def corpora_of(
    settings: RunConfig, names: Collection[str], rows: TextsLike
) -> dict[str, dict[str, Any]]:
    """Return the source and the unlabelled texts for the methods that take them.

    If no method takes a corpus, all get it: some encoders use it, and ``fit`` refuses the rest.

    Parameters
    ----------
    settings : RunConfig
        Settings with the names of the tables.
    names : collection of str
        Names of the methods.
    rows : sequence of texts
        Labelled rows that the methods are tested on, and that no corpus may contain.

    Raises
    ------
    ConfigError
        If a corpus has no other texts.
    """
    source, unlabeled = train.read_source(settings), train.read_unlabeled(settings)
    corpora = {
        "source": source and {name: _without(part, rows, name) for name, part in source.items()},
        "unlabeled": unlabeled and _without(unlabeled, rows, "--unlabeled"),
    }
    fit_params: dict[str, dict[str, Any]] = {name: {} for name in names}
    for argument, corpus in corpora.items():
        if corpus is not None:
            for name in _takers(argument, names) or names:
                fit_params[name][argument] = corpus
    return fit_params


def _without(corpus: Corpus, rows: TextsLike, name: str) -> Corpus:
    """Remove the labelled rows from a corpus: some of them are test rows."""
    others = corpus.without(rows)
    if not others.size:
        raise ConfigError(
            f"{name} has {corpus.size} texts, and all of them are labelled rows, which are tested "
            "on. Add other texts."
        )
    return others


def _takers(argument: str, names: Collection[str]) -> list[str]:
    """Return the names of the methods that need or accept an argument of ``fit``."""
    takers = {
        name
        for name, method in methods_by_name().items()
        if argument in method.kind.needs | method.kind.accepts | method.accepts
    }
    takers.add(RECOMMENDED)
    return [name for name in names if takers & {part.strip() for part in name.split("+")}]
