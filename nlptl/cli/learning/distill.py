"""Train a small, fast student model to imitate a saved model, on unlabelled texts.

A first student is trained without a tenth of the texts. On these, the command measures how often
the student agrees with its teacher, and how fast both are. The saved student is trained on all
texts.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np

from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console
from nlptl.cli.stages import show_stages
from nlptl.cli.tables import add_reading, read_labelled, read_texts
from nlptl.config.components import build_encoder
from nlptl.data.corpus import Corpus
from nlptl.data.rows import Rows
from nlptl.estimators.bulk.answered_rows import text_columns
from nlptl.estimators.loading import load_any
from nlptl.estimators.prediction_timing import timed_prediction
from nlptl.estimators.text_model import TextModel
from nlptl.saving.model_folder import check_model_folder

EXAMPLES = """examples:
  nlptl distill model/ unlabelled.csv --output student/
  nlptl distill model/ unlabelled.csv --labelled train.csv --output student/
"""

_HELD_OUT_SHARE = 0.1
_MIN_ROWS_TO_HOLD_OUT = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model: the teacher")
    parser.add_argument("data", help="table of unlabelled texts")
    add_columns(parser, label=True)
    add_reading(parser)
    parser.add_argument("--labelled", metavar="DATA", help="additional labelled rows to train on")
    parser.add_argument(
        "--encoder",
        default="static",
        help="encoder of the student: static, tfidf, or a small transformer by Hub name or folder",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder for the student")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing model")


@show_stages()
def run(arguments: Namespace) -> int:
    """Train the student, compare it with its teacher and save it."""
    folder = user_path(arguments.output)
    inputs = (arguments.model, arguments.data, arguments.labelled)
    check_model_folder(folder, inputs=inputs, overwrite=arguments.overwrite)
    teacher = load_any(arguments.model)
    columns = text_columns(teacher, arguments.text_column)
    rows = read_texts(
        arguments.data, columns, split=arguments.split, drop_blank=arguments.drop_blank
    )
    labelled = _labelled_rows(arguments, teacher)
    untrained = type(teacher)(build_encoder(arguments.encoder, {}), seed=teacher.seed)
    if len(rows) >= _MIN_ROWS_TO_HOLD_OUT:
        _compare(teacher, untrained, rows, labelled)
    student = teacher.distill(rows, student=untrained, labelled=labelled)
    columns_used = {
        name: value for name, value in teacher.notes_.get("run", {}).items() if "column" in name
    }
    student.save(folder, notes={"run": columns_used})
    console().print(f"Saved and read back: {arguments.output}", soft_wrap=True)
    return 0


def _labelled_rows(arguments: Namespace, teacher: TextModel) -> Corpus | None:
    if arguments.labelled is None:
        return None
    name = arguments.label_column or teacher.notes_.get("run", {}).get("label_column") or "label"
    return Corpus(
        *read_labelled(
            arguments.labelled,
            text_columns(teacher, arguments.text_column),
            name,
            numeric=not hasattr(teacher, "classes_"),
            drop_blank=arguments.drop_blank,
        )
    )


def _compare(teacher: TextModel, untrained: TextModel, rows: Rows, labelled: Corpus | None) -> None:
    """Compare a first student with its teacher on rows that the student was not trained on."""
    order = np.random.default_rng(teacher.seed).permutation(len(rows))
    n_test = max(int(_HELD_OUT_SHARE * len(rows)), 1)
    test, train = rows.take(order[:n_test]), rows.take(order[n_test:])
    student = teacher.distill(train, student=untrained, labelled=labelled)
    expected, teacher_speed = timed_prediction(teacher.predict, test)
    predicted, student_speed = timed_prediction(student.predict, test)
    if hasattr(teacher, "classes_"):
        share = np.mean([str(a) == str(b) for a, b in zip(predicted, expected, strict=True)])
        result = f"agrees with its teacher on {share:.1%} of {n_test} held-out texts"
    else:
        error = np.abs(np.subtract(predicted, expected)).mean()
        result = f"differs from its teacher by {error:.3g} on average on {n_test} held-out texts"
    console().print(
        f"The student {result}. "
        f"Speed: {student_speed:,.0f} texts per second, teacher {teacher_speed:,.0f}."
    )
