"""Publish a saved model on the Hugging Face Hub, with a card, in one commit.

The token is that of `hf auth login`, or of HF_TOKEN; it needs leave to write, and is never shown.
Where nothing changed since the last time there is no commit. --dry-run lists files, sizes, hashes
and the card, and talks to nobody.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path, PureWindowsPath
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console, labelled_rows
from nlptl.cli.tables import add_drop_blank
from nlptl.estimators.languages.language_classifier import LanguageClassifier
from nlptl.estimators.loading import load_every
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.reports.card import model_card
from nlptl.reports.terminal_tables import files_table
from nlptl.saving.card_facts import facts_of
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.manifest import read_manifest

EXAMPLES = """examples:
  nlptl publish model/ user/name --dry-run
  nlptl publish model/ user/name --test test.csv --license mit --language en
  nlptl publish model/ user/name --private --format transformers
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("repo", help="user/name on the Hub; made where it does not exist")
    parser.add_argument("--dry-run", action="store_true", help="list everything, talk to nobody")
    parser.add_argument("--private", action="store_true", help="for a new repository")
    parser.add_argument(
        "--format",
        default="nlptl",
        metavar="NAME",
        help="or transformers, peft, onnx, sentence-transformers",
    )
    parser.add_argument("--test", metavar="FILE", help="labelled table for the figures of the card")
    add_columns(parser, label=True)
    add_drop_blank(parser)
    parser.add_argument("--license", metavar="ID", help="for example mit or apache-2.0")
    parser.add_argument("--base-license", metavar="ID", help="where the Hub does not tell it")
    parser.add_argument("--language", nargs="+", metavar="CODE", help="for example en de")


def run(given: Namespace) -> int:
    """Load, measure, publish, show."""
    model = _loaded(user_path(given.model))
    test = _test(model, given)
    about: dict[str, Any] = {"license": given.license, "languages": given.language}
    about["base_license"] = given.base_license
    about = {name: value for name, value in about.items() if value is not None}
    if given.test:
        about["dataset"] = PureWindowsPath(given.test).name
    found = model.push_to_hub(
        given.repo,
        test=test,
        about=about,
        format=given.format,
        private=given.private or None,
        dry_run=given.dry_run,
    )
    out = console()
    out.print(files_table(found))
    if given.dry_run:
        card = model_card(
            facts_of(model, given.repo, test=test, about={**about, "format": given.format})
        )
        out.print(card, markup=False, highlight=False)
        out.print("Nothing was published, and the license of the base model was not asked for.")
    elif found.changed:
        out.print(f"Published: {found.url}", soft_wrap=True)
    else:
        out.print(f"Nothing changed since {found.commit}.", soft_wrap=True)
    return 0


def _loaded(folder: Path) -> Any:
    if read_manifest(folder)["kind"] == LanguageClassifier.kind:
        return LanguageClassifier.load(folder)
    found = load_every(folder)
    if isinstance(found, OnnxClassifier):
        raise ConfigError(
            f"{str(folder)!r} holds an exported graph. Publish the model that it was made of, with "
            "--format onnx."
        )
    return found


def _test(model: Any, given: Namespace) -> tuple[Any, Any] | None:
    if given.test is None:
        return None
    if isinstance(model, MultiTaskModel | LanguageClassifier):
        raise ConfigError("--test is for models of one task and language. Leave it out.")
    return labelled_rows(model, given.test, given)
