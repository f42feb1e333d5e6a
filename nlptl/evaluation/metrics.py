"""Metrics as ``evaluate.Metric`` objects, which need no download and can be combined."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.evaluation import class_metrics, number_metrics

_BY_CODE = {
    "accuracy": (class_metrics.accuracy, "Share of correct rows."),
    "macro_f1": (class_metrics.macro_f1, "Mean F1 over classes."),
    "micro_f1": (class_metrics.micro_f1, "F1 over all decisions."),
    "matthews": (class_metrics.matthews, "Matthews correlation, from -1 to 1."),
}
_BY_PROBABILITY = {
    "log_loss": (class_metrics.log_loss, "Mean negative log probability of the truth."),
    "calibration_error": (
        class_metrics.calibration_error,
        "Expected calibration error over 15 bins.",
    ),
}
_BY_NUMBER = {
    "pearson": (number_metrics.pearson, "Linear correlation, from -1 to 1."),
    "spearman": (number_metrics.spearman, "Correlation of ranks, from -1 to 1."),
    "rmse": (number_metrics.rmse, "Root of the mean squared error."),
    "mae": (number_metrics.mae, "Mean absolute error."),
    "r2": (number_metrics.r2, "Explained share of the variance."),
}
METRICS = (*_BY_CODE, *_BY_PROBABILITY, *_BY_NUMBER, "per_class")
"""Names of all metrics."""


def figures_of(*, numeric: bool) -> tuple[str, ...]:
    """Return the names of the metrics for numbers, or for classes."""
    return tuple(_BY_NUMBER) if numeric else (*_BY_CODE, *_BY_PROBABILITY)


def load_metric(name: str) -> Any:
    """Return one metric as an ``evaluate.Metric``.

    ``compute(predictions=..., references=...)`` takes class codes. ``log_loss`` and
    ``calibration_error`` take one list of probabilities per row as predictions. If a row may have
    several labels, references and predicted codes are lists of zeros and ones. ``pearson``,
    ``spearman``, ``rmse``, ``mae`` and ``r2`` take numbers.

    Parameters
    ----------
    name : str
        One of ``METRICS``.

    Raises
    ------
    ConfigError
        If there is no metric with this name.

    Examples
    --------
    >>> load_metric("accuracy").compute(predictions=[0, 1, 1], references=[0, 1, 0])
    {'accuracy': 0.6666666666666666}
    """
    if name not in METRICS:
        raise ConfigError(f"No metric is called {name!r}. {suggest(name, METRICS)}")
    return _metric_class()(name)


def combined(names: Sequence[str]) -> Any:
    """Combine metrics that take the same predictions, with ``evaluate.combine``."""
    import evaluate

    return evaluate.combine([load_metric(name) for name in names])


def measure(truth: IntArray, probabilities: FloatArray, predicted: IntArray) -> dict[str, float]:
    """Compute all classification metrics, except the table per class.

    Parameters
    ----------
    truth, predicted : ndarray of shape (n,) or (n, n_labels)
        Class codes, or zeros and ones.
    probabilities : ndarray of shape (n, n_classes)

    Raises
    ------
    InputError
        If the three have different numbers of rows, or no rows.
    """
    if len(truth) != len(predicted) or len(truth) != len(probabilities) or not len(truth):
        raise InputError(
            "truth, predictions and probabilities must have the same number of rows, at least one, "
            f"got {len(truth)}, {len(predicted)} and {len(probabilities)}. Check their lengths."
        )
    by_code = combined(list(_BY_CODE)).compute(predictions=predicted, references=truth)
    figures = {name: float(value) for name, value in by_code.items()}
    # ``evaluate`` would convert all probabilities to lists of Python numbers, which is slow.
    for name in _BY_PROBABILITY:
        figures |= compute_one(name, probabilities, truth)
    return figures


def measure_numbers(truth: FloatArray, predicted: FloatArray) -> dict[str, float]:
    """Compute all regression metrics for numbers of shape (n,).

    Raises
    ------
    InputError
        If the two have different lengths, or no rows.
    """
    if len(truth) != len(predicted) or not len(truth):
        raise InputError(
            "True and predicted numbers must have the same length, at least one, got "
            f"{len(truth)} and {len(predicted)}. Check their lengths."
        )
    figures = combined(list(_BY_NUMBER)).compute(predictions=predicted, references=truth)
    return {name: float(value) for name, value in figures.items()}


def compute_one(name: str, predictions: ArrayLike, references: ArrayLike) -> dict[str, Any]:
    """Compute one metric from arrays."""
    if name in _BY_NUMBER:
        arrays = (np.asarray(side, dtype=np.float64) for side in (references, predictions))
        return {name: _BY_NUMBER[name][0](*arrays)}
    truth = np.asarray(references).astype(np.int64)
    if name in _BY_PROBABILITY:
        return {name: _BY_PROBABILITY[name][0](truth, np.asarray(predictions, dtype=np.float64))}
    predicted = np.asarray(predictions).astype(np.int64)
    if name in _BY_CODE:
        return {name: _BY_CODE[name][0](truth, predicted)}
    n_classes = truth.shape[1] if truth.ndim == 2 else int(max(truth.max(), predicted.max())) + 1
    rows = class_metrics.class_scores(truth, predicted, [str(i) for i in range(n_classes)])
    return {
        "per_class": {
            row.name: {
                "precision": row.precision,
                "recall": row.recall,
                "f1": row.f1,
                "rows": row.rows,
            }
            for row in rows
        }
    }


@cache
def _metric_class() -> type:
    """Build the class at first use, because importing ``evaluate`` takes seconds."""
    import datasets
    import evaluate

    class NlptlMetric(evaluate.Metric):  # type: ignore[misc]
        """A metric of nlptl as a metric of ``evaluate``."""

        def __init__(self, name: str) -> None:
            self._name = name
            super().__init__(config_name=name)

        @property
        def name(self) -> str:
            return self._name

        def _info(self) -> Any:
            code_lists = datasets.Sequence(datasets.Value("int64"))
            code = datasets.Value("int64")
            probabilities = datasets.Sequence(datasets.Value("float64"))
            if self._name in _BY_NUMBER:
                pairs = [(datasets.Value("float64"), datasets.Value("float64"))]
            elif self._name in _BY_PROBABILITY:
                pairs = [(probabilities, code), (probabilities, code_lists)]
            else:
                pairs = [(code, code), (code_lists, code_lists)]
            described = {**_BY_CODE, **_BY_PROBABILITY, **_BY_NUMBER}.get(self._name)
            return evaluate.MetricInfo(
                description=described[1]
                if described
                else "Precision, recall, F1 and rows of each class.",
                citation="",
                features=[
                    datasets.Features({"predictions": first, "references": second})
                    for first, second in pairs
                ],
            )

        def _compute(self, predictions: ArrayLike, references: ArrayLike) -> dict[str, Any]:
            return compute_one(self._name, predictions, references)

    return NlptlMetric
