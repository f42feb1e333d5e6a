"""Metrics and mistakes of an exported graph on labelled texts."""

from __future__ import annotations

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.inputs import LabelsLike
from nlptl.data.labels import check_lengths
from nlptl.data.rows import Rows
from nlptl.evaluation.class_metrics import ClassScore, class_scores
from nlptl.evaluation.error_report import ErrorReport, error_report
from nlptl.evaluation.metrics import measure
from nlptl.saving.onnx.graph_checks import GraphReader


def graph_figures(model: GraphReader, rows: Rows, labels: LabelsLike) -> dict[str, float]:
    """Return all metrics on labelled texts."""
    truth, probabilities, chosen = _outputs(model, rows, labels)
    return measure(truth, probabilities, chosen)


def graph_class_scores(model: GraphReader, rows: Rows, labels: LabelsLike) -> list[ClassScore]:
    """Return precision, recall and F1 of each class on labelled texts."""
    truth, _, chosen = _outputs(model, rows, labels)
    return class_scores(truth, chosen, [str(label) for label in model.codec.classes.tolist()])


def graph_errors(model: GraphReader, rows: Rows, labels: LabelsLike) -> ErrorReport:
    """Return the mistakes on labelled texts."""
    truth, probabilities, chosen = _outputs(model, rows, labels)
    return error_report(model.codec, rows, truth, chosen, probabilities)


def _outputs(
    model: GraphReader, rows: Rows, labels: LabelsLike
) -> tuple[IntArray, FloatArray, IntArray]:
    """Return the true codes, the probabilities and the predicted codes."""
    truth, probabilities = model.codec.encode(labels), model.predict_proba(rows)
    chosen = model.choose(probabilities)
    check_lengths(truth, chosen)
    return truth, probabilities, chosen
