"""Teach a small, fast model what a saved one knows, on texts without labels.

A tenth of the texts shows how often the student agrees with its teacher, and how fast both are; the
student that is saved learnt from all of them.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from nlptl.base import clock
from nlptl.base.paths import user_path
from nlptl.cli.console import add_columns, console
from nlptl.cli.tables import add_drop_blank, read_labelled, read_texts
from nlptl.config.components import build_encoder
from nlptl.data.corpus import Corpus
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.estimators.bulk.answered_rows import text_columns
from nlptl.estimators.loading import load_any
from nlptl.estimators.text_model import TextModel
from nlptl.storage.outputs import check_output_folder

EXAMPLES = """examples:
  nlptl distill model/ unlabelled.csv --output student/
  nlptl distill model/ unlabelled.csv --labelled train.csv --output student/
"""

_HELD_OUT_SHARE = 0.1
_MIN_ROWS_TO_HOLD_OUT = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model: the teacher")
    parser.add_argument("data", help="table of texts without labels")
    add_columns(parser, label=True)
    add_drop_blank(parser)
    parser.add_argument("--labelled", metavar="DATA", help="a table of labelled rows to learn too")
    parser.add_argument(
        "--encoder",
        default="static",
        help="of the student: static, tfidf, or the Hub name or folder of a small transformer",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where the student goes")
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there")


def run(given: Namespace) -> int:
    """Teach, compare, save."""
    place = user_path(given.output)
    inputs = (given.model, given.data, given.labelled)
    check_output_folder(place, inputs=inputs, overwrite=given.overwrite)
    teacher = load_any(given.model)
    columns = text_columns(teacher, given.text_column)
    rows = read_texts(given.data, columns, split=given.split, drop_blank=given.drop_blank)
    known = _known(given, teacher)
    blank = type(teacher)(build_encoder(given.encoder, {}), seed=teacher.seed)
    if len(rows) >= _MIN_ROWS_TO_HOLD_OUT:
        _compare(teacher, blank, rows, known)
    student = teacher.distill(rows, student=blank, labelled=known)
    kept = {
        name: value for name, value in teacher.notes_.get("run", {}).items() if "column" in name
    }
    student.save(place, notes={"run": kept})
    console().print(f"Saved and read back: {given.output}", soft_wrap=True)
    return 0


def _known(given: Namespace, teacher: TextModel) -> Corpus | None:
    if given.labelled is None:
        return None
    name = given.label_column or teacher.notes_.get("run", {}).get("label_column") or "label"
    return Corpus(
        *read_labelled(
            given.labelled,
            text_columns(teacher, given.text_column),
            name,
            numeric=not hasattr(teacher, "classes_"),
            drop_blank=given.drop_blank,
        )
    )


def _compare(teacher: TextModel, blank: TextModel, rows: Rows, known: Corpus | None) -> None:
    """Say on rows that a first student did not see how it compares with its teacher."""
    order = np.random.default_rng(teacher.seed).permutation(len(rows))
    n_shown = max(int(_HELD_OUT_SHARE * len(rows)), 1)
    shown, rest = rows.take(order[:n_shown]), rows.take(order[n_shown:])
    student = teacher.distill(rest, student=blank, labelled=known)
    wanted, slow = _timed(teacher, shown)
    found, fast = _timed(student, shown)
    if hasattr(teacher, "classes_"):
        same = np.mean([str(a) == str(b) for a, b in zip(found, wanted, strict=True)])
        told = f"agrees on {same:.1%} of {n_shown} other texts"
    else:
        told = f"is {np.abs(np.subtract(found, wanted)).mean():.3g} off on {n_shown} other texts"
    console().print(f"The student {told}, {fast:,.0f} texts a second against {slow:,.0f}.")


def _timed(model: TextModel, rows: Rows) -> tuple[list[Any], float]:
    with without_cache():
        model.predict(rows.take(np.arange(1)))
        began = clock.seconds()
        answers = list(model.predict(rows))
    return answers, len(rows) / (clock.seconds() - began)
