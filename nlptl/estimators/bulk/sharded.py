"""Compute metrics with several processes. Each process predicts its share of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.training.processes import gather_rows, own_rows

if TYPE_CHECKING:
    from nlptl.estimators.text_model import TextModel


def evaluate_sharded(model: TextModel, texts: TextsLike, labels: LabelsLike) -> dict[str, float]:
    """Return the metrics of ``model.evaluate``, computed by all processes of the launch.

    Every process calls this function with all texts and labels, and every process gets the
    result. Each row counts exactly once: no row is repeated to fill a batch.

    Parameters
    ----------
    model : TextClassifier or TextRegressor
        The same fitted model in every process.
    texts, labels
        As for ``model.evaluate``.

    Returns
    -------
    dict
        As ``model.evaluate``.
    """
    return model.fitted_.figures(outputs_sharded(model, texts), labels)


def outputs_sharded(model: TextModel, texts: TextsLike) -> FloatArray:
    """Return the outputs (n, n_outputs) of all texts. One process computes each text."""
    fitted = model.fitted_
    rows = fitted.rows(texts)
    shard = own_rows(len(rows))
    empty = np.zeros((0, fitted.codec.n_outputs))
    outputs = fitted.outputs(rows.take(shard)) if len(shard) else empty
    return gather_rows(np.asarray(outputs, dtype=np.float64), len(rows))
