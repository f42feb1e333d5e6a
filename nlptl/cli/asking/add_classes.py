"""Add classes to a saved classifier by their names, without training it again.

The classifier must have been trained with class names: --transfer meaning, contrastive+meaning, or
auto if it chose them. NAMES has one or more texts per class. Each is encoded like a text of its
class; the vectors of several texts are averaged.
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
from nlptl.saving.model_folder import check_model_folder

EXAMPLES = """examples:
  nlptl add-classes model/ '{"login": "passwords and logging in"}' --output wider/
  nlptl add-classes model/ names.yaml --output wider/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier")
    parser.add_argument("names", metavar="NAMES", help='{"label": "text"} as JSON, or a YAML file')
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing folder")


def run(arguments: Namespace) -> int:
    """Load the model, add the classes, save it and print all classes."""
    inputs = (arguments.model, None if _is_json(arguments.names) else arguments.names)
    check_model_folder(arguments.output, inputs=inputs, overwrite=arguments.overwrite)
    names = read_names(arguments.names)
    model = load_any(arguments.model)
    if not isinstance(model, TextClassifier):
        raise ConfigError(
            f"add-classes needs a classifier, got a {model.kind} in {arguments.model!r}. "
            "Choose a saved classifier."
        )
    model.add_classes(names)
    folder = model.save(arguments.output, notes=model.notes_)
    classes = ", ".join(str(label) for label in model.classes_)
    out = console()
    out.print(f"Written: {folder}", soft_wrap=True)
    out.print(f"The model now has {len(model.classes_)} classes: {classes}.", soft_wrap=True)
    return 0


def read_names(source: str) -> dict[Any, Any]:
    """Read the texts per class from JSON or from a YAML file.

    Raises
    ------
    InputError
        If the value starts like JSON but is not valid JSON.
    ConfigError
        If there is no such file, or if it does not hold a mapping.
    """
    if not _is_json(source):
        return read_yaml(source)
    try:
        names: dict[Any, Any] = json.loads(source)
    except json.JSONDecodeError as problem:
        raise InputError(
            f"NAMES cannot be read as JSON: {problem}. "
            'Write {"label": "text"}, or the path of a YAML file.'
        ) from problem
    return names


def _is_json(source: str) -> bool:
    return source.lstrip().startswith("{")
