"""Publish a saved model on the Hugging Face Hub, with a model card, in one commit.

The token comes from `hf auth login` or from HF_TOKEN. It needs write access and is never shown. If
nothing changed since the last commit, no commit is made. --dry-run lists files, sizes, hashes and
the card, and contacts no server. With --output it writes the card and its pictures to a folder.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, TypeAlias

from rich.console import Console

from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console, labelled_rows
from nlptl.cli.tables import LabelledRows, add_reading
from nlptl.estimators.languages.language_classifier import LanguageClassifier
from nlptl.estimators.loading import load_every
from nlptl.estimators.model_cascade import Cascade
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.text_model import TextModel
from nlptl.reports.terminal_tables import files_table
from nlptl.saving.model_publication import CARD, card_files
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.atomic import new_folder
from nlptl.storage.manifest import read_manifest

EXAMPLES = """examples:
  nlptl publish model/ user/name --dry-run --output card/
  nlptl publish model/ user/name --test test.csv --license mit --language en
  nlptl publish model/ user/name --private --format transformers
"""

Publishable: TypeAlias = TextModel | MultiTaskModel | LanguageClassifier | Cascade
"""The kinds of models that can be published."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model")
    parser.add_argument("repo", help="user/name on the Hub; created if it does not exist")
    parser.add_argument("--dry-run", action="store_true", help="list everything, contact no server")
    parser.add_argument(
        "--output", metavar="FOLDER", help="with --dry-run: folder for the card and its pictures"
    )
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument(
        "--format",
        default="nlptl",
        metavar="NAME",
        help="nlptl (default), transformers, peft, onnx or sentence-transformers",
    )
    parser.add_argument("--test", metavar="FILE", help="labelled table for the metrics of the card")
    add_columns(parser, label=True)
    add_reading(parser)
    parser.add_argument("--license", metavar="ID", help="for example mit or apache-2.0")
    parser.add_argument("--base-license", metavar="ID", help="if the Hub does not list it")
    parser.add_argument("--language", nargs="+", metavar="CODE", help="for example en de")


def run(arguments: Namespace) -> int:
    """Load the model, evaluate it, publish it and print the result."""
    _check_output(arguments)
    model = _loaded(user_path(arguments.model))
    test = _test(model, arguments)
    about: dict[str, Any] = {"license": arguments.license, "languages": arguments.language}
    about["base_license"] = arguments.base_license
    about = {name: value for name, value in about.items() if value is not None}
    if arguments.test:
        about["dataset"] = PureWindowsPath(arguments.test).name
    publication = model.push_to_hub(
        arguments.repo,
        test=test,
        about=about,
        format=arguments.format,
        private=arguments.private or None,
        dry_run=arguments.dry_run,
    )
    out = console()
    out.print(files_table(publication))
    if arguments.dry_run:
        entries = {**about, "format": arguments.format}
        files = card_files(model, arguments.repo, test=test, about=entries)
        _show(files, arguments.output, out)
        out.print("Nothing was published. The license of the base model was not looked up.")
    elif publication.changed:
        out.print(f"Published: {publication.url}", soft_wrap=True)
    else:
        out.print(f"Nothing changed since {publication.commit}.", soft_wrap=True)
    return 0


def _check_output(arguments: Namespace) -> None:
    """Check that --output is a new or empty folder, and is used with --dry-run."""
    if arguments.output is None:
        return
    if not arguments.dry_run:
        raise ConfigError(
            f"--output is for --dry-run, got --output {arguments.output} alone. Add --dry-run, or "
            "leave --output out."
        )
    folder = user_path(arguments.output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{arguments.output!r} is not empty. Choose a new folder for --output.")


def _show(files: Mapping[str, bytes], output: str | None, out: Console) -> None:
    """Write the card and its pictures to a folder, or print the card."""
    if output is None:
        out.print(files[CARD].decode())
        return
    with new_folder(user_path(output)) as draft:
        for name, content in files.items():
            (draft / name).write_bytes(content)
    out.print(f"Written to {output}: {', '.join(files)}", soft_wrap=True)


def _loaded(folder: Path) -> Publishable:
    if read_manifest(folder)["kind"] == LanguageClassifier.kind:
        return LanguageClassifier.load(folder)
    model = load_every(folder)
    if isinstance(model, OnnxClassifier):
        raise ConfigError(
            f"publish needs a saved model, got an exported graph in {str(folder)!r}. Publish the "
            "original model with --format onnx."
        )
    return model


def _test(model: Publishable, arguments: Namespace) -> LabelledRows | None:
    if arguments.test is None:
        return None
    if isinstance(model, MultiTaskModel | LanguageClassifier):
        raise ConfigError(
            "--test needs a model with one task and one language, "
            f"got a {type(model).__name__}. Leave it out."
        )
    return labelled_rows(model, arguments.test, arguments)
