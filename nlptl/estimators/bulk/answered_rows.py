"""Add the predictions of a model to the rows of a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import InputError
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


def labelled(sheet: Sheet, model: Answering, rows: Rows) -> Sheet:
    """Add the columns ``predicted`` and ``probability`` to the rows of a table.

    A cascade also adds ``passed_on``: True if its accurate model answered.

    Parameters
    ----------
    sheet : Sheet of n rows
    model : TextModel, OnnxClassifier or Cascade
    rows : Rows
        The n texts of the table.

    Returns
    -------
    Sheet
        Without ``probability`` if the model predicts numbers.

    Raises
    ------
    InputError
        If the table already has such a column.
    """
    check_columns(sheet.frame, model)
    return sheet.with_columns(answers(model, rows))


def answers(model: Answering, texts: TextsLike) -> dict[str, list[Any]]:
    """Return the new columns: labels with the highest probability per row, or numbers."""
    if not hasattr(model, "classes_"):
        return {"predicted": model.predict(texts).tolist()}
    more: dict[str, list[Any]] = {}
    if hasattr(model, "route"):
        routes = model.route(texts)
        probabilities, more["passed_on"] = routes.probabilities, routes.passed_on.tolist()
    else:
        probabilities = model.predict_proba(texts)
    fitted: Any = getattr(model, "fitted_", model)
    chosen = list(fitted.decode(probabilities))
    labels = [json.dumps(label) if isinstance(label, list) else label for label in chosen]
    highest = probabilities.max(axis=1).round(4).tolist()
    return {"predicted": labels, "probability": highest, **more}


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


def check_columns(table: pd.DataFrame, model: Answering | None = None) -> None:
    """Check that the table lacks the columns that the model adds. None checks all of them."""
    added = _ADDED[: 1 + hasattr(model, "classes_") + hasattr(model, "route")]
    added = _ADDED if model is None else added
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
