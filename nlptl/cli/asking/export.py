"""Export a saved classifier for use without nlptl, or without torch.

An ONNX graph (--format onnx) is compared with the model on the labelled rows of --probe. It is not
written if accuracy falls by more than --tolerance. `nlptl predict` and `nlptl evaluate` read it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console, labelled_rows
from nlptl.cli.tables import add_reading
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.saving.exporting import FORMATS
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.atomic import new_folder
from nlptl.storage.outputs import check_output_folder, check_replaced

EXAMPLES = """examples:
  nlptl export model/ plain/ --format transformers
  nlptl export model/ graph/ --format onnx --precision int8 --probe held_out.csv
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier")
    parser.add_argument("folder", help="a new folder")
    formats = f"{', '.join(FORMATS)} (default %(default)s)"
    parser.add_argument("--format", default="onnx", metavar="NAME", help=formats)
    parser.add_argument(
        "--precision", default="fp32", metavar="NAME", help="fp32, int8 (default %(default)s)"
    )
    parser.add_argument(
        "--probe", metavar="FILE", help="labelled table to compare an ONNX graph with the model"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.005,
        metavar="LOSS",
        help="maximum loss of accuracy (default %(default)s)",
    )
    add_columns(parser, label=True)
    add_reading(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing folder")


def run(arguments: Namespace) -> int:
    """Load the model, export it and print how well a graph agrees with it."""
    inputs = (arguments.model, arguments.probe)
    check_output_folder(arguments.folder, inputs=inputs, overwrite=arguments.overwrite)
    model = load_any(arguments.model)
    if not isinstance(model, TextClassifier):
        raise ConfigError(
            f"export needs a classifier, got a {model.kind} in {arguments.model!r}. "
            "Choose a saved classifier."
        )
    probe = None if arguments.probe is None else labelled_rows(model, arguments.probe, arguments)
    folder = user_path(arguments.folder)
    with new_folder(folder) as draft:
        model.export(
            draft,
            format=arguments.format,
            precision=arguments.precision,
            probe=probe,
            tolerance=arguments.tolerance,
        )
        check_replaced(folder, draft)
    out = console()
    out.print(f"Written: {folder}", soft_wrap=True)
    if arguments.format == "onnx":
        out.print(str(OnnxClassifier.load(folder).check_), soft_wrap=True)
    return 0
