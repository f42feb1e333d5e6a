"""Figures of merit over several processes: each scores its share of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.training.processes import gather_rows, own_rows

if TYPE_CHECKING:
    from nlptl.data.rows import Rows
    from nlptl.estimators.text_model import TextModel
    from nlptl.transfer.features.frozen import TextFeatures


def evaluate_sharded(model: TextModel, texts: Any, labels: Any) -> dict[str, float]:
    """Give what ``model.evaluate`` gives, with the work shared by the processes of the launch.

    Every process is given all texts and labels and calls this; every process gets the figures
    of exactly these rows, none counted twice to fill a batch.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
        Fitted, the same in every process.
    texts, labels
        As for ``model.evaluate``.

    Returns
    -------
    dict
        As ``model.evaluate``.
    """
    return model.figures(outputs_sharded(model, texts), labels)


def outputs_sharded(model: TextModel, texts: Any) -> FloatArray:
    """Give the outputs (n, n_outputs) of all texts, each computed by one process."""
    rows = model._rows(texts)
    own = own_rows(len(rows))
    none = np.zeros((0, len(getattr(model, "classes_", [0]))))
    found = model.outputs(rows.take(own)) if len(own) else none
    return gather_rows(np.asarray(found, dtype=np.float64), len(rows))


def features_sharded(features: TextFeatures, rows: Rows) -> FloatArray:
    """Give the features (n, n_features) of all rows, each computed by one process."""
    own = own_rows(len(rows))
    if len(own) == len(rows):
        return np.asarray(features.transform(rows))
    none = np.zeros((0, sum(width for _, width in features.groups(rows))), dtype=np.float32)
    found = features.transform(rows.take(own)) if len(own) else none
    return gather_rows(np.asarray(found, dtype=np.float32), len(rows))
