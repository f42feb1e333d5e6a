"""Add the predictions of a model to the rows of a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import TextsLike
from nlptl.data.rows import Rows
from nlptl.data.tables.reading import texts_of
from nlptl.data.tables.sheet import Sheet

if TYPE_CHECKING:
    import pandas as pd

    from nlptl.estimators.model_cascade import Cascade
    from nlptl.estimators.multi_task import MultiTaskModel
    from nlptl.estimators.text_model import TextModel
    from nlptl.saving.onnx.onnx_classifier import OnnxClassifier

    Answering = TextModel | OnnxClassifier | Cascade

_ADDED = ("predicted", "probability", "passed_on")


@dataclass(frozen=True)
class MoreColumns:
    """Columns that are added beside the predicted class and its probability.

    Attributes
    ----------
    top : int
        Number of classes per row, the most probable first. 1 adds no columns.
    all_classes : bool
        Whether to add the probability of each class.
    """

    top: int = 1
    all_classes: bool = False

    def check(self, model: Answering) -> None:
        """Check that the model has the probabilities that these columns need.

        Raises
        ------
        ConfigError
            If it predicts numbers, or several labels per text while their order is asked for.
        """
        if self.top < 1:
            raise ConfigError(f"The number of classes per row must be at least 1, got {self.top}.")
        if self.top == 1 and not self.all_classes:
            return
        if not hasattr(model, "classes_"):
            raise ConfigError(
                "The model predicts numbers, and numbers have no probabilities. Leave out --top "
                "and --probabilities."
            )
        codec = getattr(getattr(model, "fitted_", model), "codec", None)
        if self.top > 1 and getattr(codec, "form", "single") != "single":
            raise ConfigError(
                "--top is for one label per text, but the model predicts several. Use "
                "--probabilities."
            )

    def names(self, classes: AnyArray) -> list[str]:
        """Return the names of the columns."""
        places = range(2, min(self.top, len(classes)) + 1)
        ranked = [f"{name}_{place}" for place in places for name in _ADDED[:2]]
        return [*ranked, *(self._named(classes) if self.all_classes else [])]

    def of(self, probabilities: FloatArray, classes: AnyArray) -> dict[str, list[Any]]:
        """Return the columns for probabilities (n, n_classes)."""
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, 1 : self.top]
        rounded = probabilities.round(4)
        cells: list[list[Any]] = []
        for codes in order.T:
            cells.append(classes[codes].tolist())
            cells.append(rounded[np.arange(len(codes)), codes].tolist())
        cells += rounded.T.tolist() if self.all_classes else []
        return dict(zip(self.names(classes), cells, strict=True))

    @staticmethod
    def _named(classes: AnyArray) -> list[str]:
        """Return a name per class. Classes that look alike, as 1 and "1", keep their quotes."""
        plain = [str(label) for label in classes.tolist()]
        unique = len(set(plain)) == len(plain)
        shown = plain if unique else [repr(label) for label in classes.tolist()]
        return [f"probability of {name}" for name in shown]


ONE_CLASS = MoreColumns()


def labelled(sheet: Sheet, model: Answering, rows: Rows, *, more: MoreColumns = ONE_CLASS) -> Sheet:
    """Add the columns ``predicted`` and ``probability`` to the rows of a table.

    A cascade also adds ``passed_on``: True if its accurate model answered.

    Parameters
    ----------
    sheet : Sheet of n rows
    model : TextModel, OnnxClassifier or Cascade
    rows : Rows
        The n texts of the table.
    more : MoreColumns
        Further columns.

    Returns
    -------
    Sheet
        Without ``probability`` if the model predicts numbers.

    Raises
    ------
    InputError
        If the table already has such a column.
    ConfigError
        If the model has no probabilities for ``more``.
    """
    check_columns(sheet.frame, model, more=more)
    return sheet.with_columns(answers(model, rows, more=more))


def answers(
    model: Answering, texts: TextsLike, *, more: MoreColumns = ONE_CLASS
) -> dict[str, list[Any]]:
    """Return the new columns: labels with the highest probability per row, or numbers."""
    more.check(model)
    if not hasattr(model, "classes_"):
        return {"predicted": model.predict(texts).tolist()}
    passed_on: dict[str, list[Any]] = {}
    if hasattr(model, "route"):
        routes = model.route(texts)
        probabilities, passed_on["passed_on"] = routes.probabilities, routes.passed_on.tolist()
    else:
        probabilities = model.predict_proba(texts)
    fitted: Any = getattr(model, "fitted_", model)
    chosen = list(fitted.decode(probabilities))
    labels = [json.dumps(label) if isinstance(label, list) else label for label in chosen]
    highest = probabilities.max(axis=1).round(4).tolist()
    ranked = more.of(probabilities, model.classes_)
    return {"predicted": labels, "probability": highest, **passed_on, **ranked}


def answers_of_tasks(model: MultiTaskModel, texts: TextsLike) -> dict[str, list[Any]]:
    """Return the new columns of every task: its predictions, and for classes the probability."""
    columns: dict[str, list[Any]] = {}
    for name, outputs in model.outputs(texts).items():
        labels = list(model.answer(name, outputs))
        columns[name] = [
            json.dumps(label) if isinstance(label, list) else label for label in labels
        ]
        if hasattr(model.models_[name], "classes_"):
            columns[f"{name} probability"] = outputs.max(axis=1).round(4).tolist()
    return columns


def check_columns(
    table: pd.DataFrame, model: Answering | None = None, *, more: MoreColumns = ONE_CLASS
) -> None:
    """Check that the table lacks the columns that the model adds. None checks all of them."""
    added = list(_ADDED)
    if model is not None:
        added = added[: 1 + hasattr(model, "classes_") + hasattr(model, "route")]
        added += more.names(model.classes_) if hasattr(model, "classes_") else []
    taken = [name for name in added if name in table.columns]
    if taken:
        raise InputError(f"The table has a column {taken[0]!r} already. Rename it first.")


def text_columns(model: Answering, columns: Sequence[str] | None) -> list[str]:
    """Return the text columns: ``columns``, or those of the training table, or ``text``."""
    run: dict[str, Any] = model.notes_.get("run", {})
    return list(columns or run.get("text_column") or ["text"])


def label_piece(sheet: Sheet, model: Answering, columns: Sequence[str], *, start: int) -> Sheet:
    """Label a block of a larger table. ``start`` is the row number of its first row there.

    Raises
    ------
    InputError
        If a text cannot be used. The message names the first row of the block in the whole table
        and counts rows from there.
    """
    try:
        return labelled(sheet, model, texts_of(sheet.frame, columns))
    except InputError as problem:
        raise InputError(
            f"In the block of {len(sheet)} rows from row {start} on, with rows counted from "
            f"there: {problem}"
        ) from problem
