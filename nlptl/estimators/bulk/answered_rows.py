"""A table with what a model says of each row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import InputError
from nlptl.data.rows import Rows
from nlptl.data.tables.sheet import Sheet
from nlptl.data.tables.table_reading import texts_of

if TYPE_CHECKING:
    import pandas as pd

    from nlptl.estimators.multi_task import MultiTaskModel
    from nlptl.estimators.text_model import TextModel
    from nlptl.saving.onnx.onnx_classifier import OnnxClassifier

    Answering = TextModel | OnnxClassifier

_ADDED = ("predicted", "probability")


def labelled(sheet: Sheet, model: Answering, rows: Rows) -> Sheet:
    """Add the columns ``predicted`` and ``probability`` to the rows of a table.

    Parameters
    ----------
    sheet : Sheet of n rows
    model : TextModel or OnnxClassifier
    rows : Rows
        The n texts of the table.

    Raises
    ------
    InputError
        If the table has such a column already.
    """
    check_columns(sheet.frame, model)
    return sheet.with_columns(answers(model, rows))


def answers(model: Answering, texts: Any) -> dict[str, list[Any]]:
    """Give the new columns: labels and how sure they are, or numbers."""
    if not hasattr(model, "classes_"):
        return {"predicted": model.predict(texts).tolist()}
    probabilities = model.predict_proba(texts)
    fitted: Any = getattr(model, "fitted_", model)
    chosen = list(fitted.decode(probabilities))
    labels = [json.dumps(label) if isinstance(label, list) else label for label in chosen]
    return {"predicted": labels, "probability": probabilities.max(axis=1).round(4).tolist()}


def answers_of_tasks(model: MultiTaskModel, texts: Any) -> dict[str, list[Any]]:
    """Give the new columns of every task: named as the task, and how sure its labels are."""
    found: dict[str, list[Any]] = {}
    for name, said in model.outputs(texts).items():
        chosen = list(model.answer(name, said))
        found[name] = [json.dumps(one) if isinstance(one, list) else one for one in chosen]
        if hasattr(model.models_[name], "classes_"):
            found[f"{name} probability"] = said.max(axis=1).round(4).tolist()
    return found


def check_columns(table: pd.DataFrame, model: Answering | None = None) -> None:
    """Refuse a table that has a column which is to be added; by some model, where none is given."""
    added = _ADDED if hasattr(model, "classes_") or model is None else _ADDED[:1]
    taken = [name for name in added if name in table.columns]
    if taken:
        raise InputError(f"The table has a column {taken[0]!r} already. Rename it first.")


def text_columns(model: Answering, given: Sequence[str] | None) -> list[str]:
    """Name the columns of the texts: those given, else those the model was trained on."""
    trained: dict[str, Any] = model.notes_.get("run", {})
    return list(given or trained.get("text_column") or ["text"])


def label_piece(sheet: Sheet, model: Answering, columns: Sequence[str], *, start: int) -> Sheet:
    """Label a piece of a larger table whose first row has the number ``start`` there.

    Raises
    ------
    InputError
        If a text cannot be used; the rows are named as they are counted in the whole table.
    """
    try:
        return labelled(sheet, model, texts_of(sheet.frame, columns))
    except InputError as problem:
        raise InputError(
            f"In the {len(sheet)} rows from row {start} on, counted from there: {problem}"
        ) from problem
