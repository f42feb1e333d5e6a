import numpy as np
import pytest

from nlptl.base.errors import StorageError
from nlptl.data.labels import LabelCodec
from nlptl.heads.calibration.decision import Decision
from nlptl.saving.onnx.graph_checks import OnnxCheck, compare, refuse_fallen

MODEL = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
GRAPH = np.array([[0.8, 0.2], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])


class Reader:
    def __init__(self, said, thresholds=None):
        form = "single" if thresholds is None else "lists"
        self.codec = LabelCodec(np.array(["a", "b"]), form)
        self.choose = Decision(thresholds=thresholds).choose
        self.predict_proba = lambda texts: said


def test_agreement_distance_and_accuracy_are_counted():
    check = compare(Reader(GRAPH), MODEL, ["x"] * 4, ["a", "b", "a", "a"], is_probe=True)
    assert check == OnnxCheck(4, "probe", 0.75, pytest.approx(0.2), 0.75, 0.5)
    assert str(check) == (
        "The same label for 75.0% of 4 rows (probe). Probabilities differ by at most 0.2. "
        "Accuracy 0.750 before, 0.500 after."
    )


def test_sets_of_labels_agree_whole_or_not_at_all():
    reader = Reader(GRAPH, thresholds=np.array([0.5, 0.15]))
    check = compare(reader, MODEL, ["x"] * 4, is_probe=False)
    assert check.agreement == 0.5  # of the first, the graph gives both labels and the model one
    assert "built-in sentences" in str(check) and "Accuracy was not compared" in str(check)


def test_what_lost_more_than_allowed_is_refused():
    check = compare(Reader(GRAPH), MODEL, ["x"] * 4, ["a", "b", "a", "a"], is_probe=True)
    with pytest.raises(
        StorageError, match="from 0.7500 to 0.5000 on 4 probe rows, by more than tolerance=0.2"
    ):
        refuse_fallen(check, tolerance=0.2, max_difference=None)
    refuse_fallen(check, tolerance=0.25, max_difference=None)
    with pytest.raises(StorageError, match="differ by up to 0.2"):
        refuse_fallen(check, tolerance=1, max_difference=1e-4)


def test_numbers_that_are_none_are_never_taken_for_close():
    broken = compare(Reader(GRAPH * np.nan), MODEL, ["x"] * 4, is_probe=False)
    with pytest.raises(StorageError, match="differ by up to nan"):
        refuse_fallen(broken, tolerance=1, max_difference=1e-4)
