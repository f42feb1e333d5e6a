"""The figures of merit as modules of ``evaluate``: no download, no network, combinable."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.evaluation import class_metrics, number_metrics

_BY_CODE = {
    "accuracy": (class_metrics.accuracy, "Share of rows that are right."),
    "macro_f1": (class_metrics.macro_f1, "Mean F1 over classes."),
    "micro_f1": (class_metrics.micro_f1, "F1 over all decisions."),
    "matthews": (class_metrics.matthews, "Matthews correlation, from -1 to 1."),
}
_BY_PROBABILITY = {
    "log_loss": (class_metrics.log_loss, "Mean of minus the log probability of the truth."),
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
    "r2": (number_metrics.r2, "Share of the variance that is explained."),
}
METRICS = (*_BY_CODE, *_BY_PROBABILITY, *_BY_NUMBER, "per_class")
"""Every metric by name."""


def figures_of(*, numeric: bool) -> tuple[str, ...]:
    """Name the figures of merit of numbers, or of classes."""
    return tuple(_BY_NUMBER) if numeric else (*_BY_CODE, *_BY_PROBABILITY)


def load_metric(name: str) -> Any:
    """Give one metric as an ``evaluate.Metric``.

    ``compute(predictions=..., references=...)`` takes codes; ``log_loss`` and
    ``calibration_error`` take one list of probabilities a row as predictions. Where a row may
    have several labels, references and chosen codes are lists of zeros and ones. ``pearson``,
    ``spearman``, ``rmse``, ``mae`` and ``r2`` take numbers.

    Parameters
    ----------
    name : str
        One of ``METRICS``.

    Raises
    ------
    ConfigError
        If there is no such metric.

    Examples
    --------
    >>> load_metric("accuracy").compute(predictions=[0, 1, 1], references=[0, 1, 0])
    {'accuracy': 0.6666666666666666}
    """
    if name not in METRICS:
        raise ConfigError(f"No metric is called {name!r}. {suggest(name, METRICS)}")
    return _metric_class()(name)


def combined(names: Sequence[str]) -> Any:
    """Join metrics that take the same predictions, with ``evaluate.combine``."""
    import evaluate

    return evaluate.combine([load_metric(name) for name in names])


def measure(truth: IntArray, probabilities: FloatArray, chosen: IntArray) -> dict[str, float]:
    """Compute every figure of merit but the per-class table.

    Parameters
    ----------
    truth, chosen : ndarray of shape (n,) or (n, n_labels)
        Codes, or zeros and ones.
    probabilities : ndarray of shape (n, n_classes)

    Raises
    ------
    InputError
        If the three do not fit together.
    """
    if len(truth) != len(chosen) or len(truth) != len(probabilities) or not len(truth):
        raise InputError(
            f"Expected as many rows of truth, choices and probabilities, at least one, got "
            f"{len(truth)}, {len(chosen)} and {len(probabilities)}."
        )
    by_code = combined(list(_BY_CODE)).compute(predictions=chosen, references=truth)
    figures = {name: float(value) for name, value in by_code.items()}
    # ``evaluate`` would copy every probability into lists of Python numbers.
    for name in _BY_PROBABILITY:
        figures |= compute_one(name, probabilities, truth)
    return figures


def measure_numbers(truth: FloatArray, found: FloatArray) -> dict[str, float]:
    """Compute every figure of merit for numbers (n,).

    Raises
    ------
    InputError
        If the two do not fit together.
    """
    if len(truth) != len(found) or not len(truth):
        raise InputError(
            f"Expected as many true numbers as predicted ones, at least one, got {len(truth)} "
            f"and {len(found)}."
        )
    figures = combined(list(_BY_NUMBER)).compute(predictions=found, references=truth)
    return {name: float(value) for name, value in figures.items()}


def compute_one(name: str, predictions: Any, references: Any) -> dict[str, Any]:
    """Compute one metric on plain arrays."""
    if name in _BY_NUMBER:
        given = (np.asarray(side, dtype=np.float64) for side in (references, predictions))
        return {name: _BY_NUMBER[name][0](*given)}
    truth = np.asarray(references).astype(np.int64)
    if name in _BY_PROBABILITY:
        return {name: _BY_PROBABILITY[name][0](truth, np.asarray(predictions, dtype=np.float64))}
    chosen = np.asarray(predictions).astype(np.int64)
    if name in _BY_CODE:
        return {name: _BY_CODE[name][0](truth, chosen)}
    n_classes = truth.shape[1] if truth.ndim == 2 else int(max(truth.max(), chosen.max())) + 1
    rows = class_metrics.class_scores(truth, chosen, [str(i) for i in range(n_classes)])
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
    """Make the class when it is first needed: importing ``evaluate`` takes seconds."""
    import datasets
    import evaluate

    class NlptlMetric(evaluate.Metric):  # type: ignore[misc]
        """A metric of nlptl under its own name."""

        def __init__(self, name: str) -> None:
            self._name = name
            super().__init__(config_name=name)

        @property
        def name(self) -> str:
            return self._name

        def _info(self) -> Any:
            several = datasets.Sequence(datasets.Value("int64"))
            one = datasets.Value("int64")
            chances = datasets.Sequence(datasets.Value("float64"))
            if self._name in _BY_NUMBER:
                pairs = [(datasets.Value("float64"), datasets.Value("float64"))]
            elif self._name in _BY_PROBABILITY:
                pairs = [(chances, one), (chances, several)]
            else:
                pairs = [(one, one), (several, several)]
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

        def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
            return compute_one(self._name, predictions, references)

    return NlptlMetric
