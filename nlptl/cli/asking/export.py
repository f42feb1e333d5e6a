"""Write a saved classifier for those who do not have nlptl, or not torch.

A graph (--format onnx) is held against the model on the labelled rows of --probe, and is not
written where accuracy falls by more than --tolerance. `nlptl predict` and `nlptl evaluate` read it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console, labelled_rows
from nlptl.cli.tables import add_drop_blank
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.saving.exporting import FORMATS
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
from nlptl.storage.outputs import check_output_folder

EXAMPLES = """examples:
  nlptl export model/ plain/ --format transformers
  nlptl export model/ graph/ --format onnx --precision int8 --probe held_out.csv
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved classifier")
    parser.add_argument("folder", help="a new folder")
    parser.add_argument("--format", default="onnx", metavar="NAME", help=", ".join(FORMATS))
    parser.add_argument("--precision", default="fp32", metavar="NAME", help="fp32, int8")
    parser.add_argument("--probe", metavar="FILE", help="labelled table to hold a graph against")
    parser.add_argument(
        "--tolerance", type=float, default=0.005, help="so much accuracy may be lost"
    )
    add_columns(parser, label=True)
    add_drop_blank(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that is there")


def run(given: Namespace) -> int:
    """Load, write, say how far it agrees."""
    inputs = (given.model, given.probe)
    check_output_folder(given.folder, inputs=inputs, overwrite=given.overwrite)
    model = load_any(given.model)
    if not isinstance(model, TextClassifier):
        raise ConfigError(f"{given.model!r} holds a {model.kind}; classifiers are exported.")
    folder = model.export(
        user_path(given.folder),
        format=given.format,
        precision=given.precision,
        probe=None if given.probe is None else labelled_rows(model, given.probe, given),
        tolerance=given.tolerance,
    )
    out = console()
    out.print(f"Written: {folder}", soft_wrap=True)
    if given.format == "onnx":
        out.print(str(OnnxClassifier.load(folder).check_), soft_wrap=True)
    return 0
