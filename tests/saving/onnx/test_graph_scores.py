import numpy as np
import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.base.errors import InputError
from nlptl.data.rows import Rows
from nlptl.saving.onnx.graph_scores import graph_class_scores, graph_errors, graph_figures

ROWS = Rows(["one", "two", "three", "four"])
LABELS = ["x", "y", "y", "y"]


class Graph:
    """Predicts x for the first two texts and y for the others."""

    codec = TextClassifier(TfidfEncoder()).fit(["a b", "c d"] * 6, ["x", "y"] * 6).fitted_.codec

    def predict_proba(self, texts):
        return np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])

    def choose(self, probabilities):
        return probabilities.argmax(axis=1)


def test_metrics_classes_and_mistakes_agree():
    assert graph_figures(Graph(), ROWS, LABELS)["accuracy"] == 0.75
    scores = graph_class_scores(Graph(), ROWS, LABELS)
    assert [(score.name, score.rows) for score in scores] == [("x", 1), ("y", 3)]
    report = graph_errors(Graph(), ROWS, LABELS)
    assert report.rows["row"].tolist() == [1] and report.n_rows == 4


def test_another_number_of_labels_is_refused():
    with pytest.raises(InputError):
        graph_errors(Graph(), ROWS, LABELS[:3])
