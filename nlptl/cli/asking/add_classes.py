"""Let a saved classifier know further classes by their names, without training it again.

It must have learnt with names: --transfer meaning, contrastive+meaning, or auto that took them.
What NAMES says of each class is read as a text of it; the vectors of several texts are averaged.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from nlptl.base.errors import ConfigError, InputError
from nlptl.cli.console import console
from nlptl.config.run import read_yaml
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.storage.outputs import check_output_folder

EXAMPLES = """examples:
  nlptl add-classes model/ '{"login": "passwords and logging in"}' --output wider/
  nlptl add-classes model/ names.yaml --output wider/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier")
    parser.add_argument("names", metavar="NAMES", help='{"label": "text"} as JSON, or a YAML file')
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that is there")


def run(given: Namespace) -> int:
    """Load, name, write; say which classes are known now."""
    inputs = (given.model, None if _is_json(given.names) else given.names)
    check_output_folder(given.output, inputs=inputs, overwrite=given.overwrite)
    names = read_names(given.names)
    model = load_any(given.model)
    if not isinstance(model, TextClassifier):
        raise ConfigError(f"{given.model!r} holds a {model.kind}; classifiers have classes.")
    model.add_classes(names)
    folder = model.save(given.output, notes=model.notes_)
    known = ", ".join(str(label) for label in model.classes_)
    out = console()
    out.print(f"Written: {folder}", soft_wrap=True)
    out.print(f"It knows {len(model.classes_)} classes: {known}.", soft_wrap=True)
    return 0


def read_names(given: str) -> dict[Any, Any]:
    """Read what classes mean, as it stands or from a file.

    Raises
    ------
    InputError
        If it begins as JSON and is none.
    ConfigError
        If there is no such file, or it holds something else than a mapping.
    """
    if not _is_json(given):
        return read_yaml(given)
    try:
        names: dict[Any, Any] = json.loads(given)
    except json.JSONDecodeError as problem:
        raise InputError(f"NAMES cannot be read as JSON: {problem}.") from problem
    return names


def _is_json(given: str) -> bool:
    return given.lstrip().startswith("{")
