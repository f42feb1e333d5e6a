import evaluate
import numpy as np
import pytest

from nlptl.base.errors import ConfigError, InputError
from nlptl.evaluation import class_metrics, number_metrics
from nlptl.evaluation.metrics import (
    METRICS,
    combined,
    figures_of,
    load_metric,
    measure,
    measure_numbers,
)

TRUTH, CHOSEN = [0, 1, 1, 2], [0, 1, 2, 2]
SHARES = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_a_module_of_evaluate_that_needs_no_network(name):
    metric = load_metric(name)
    assert isinstance(metric, evaluate.Metric)
    predictions = SHARES if name in ("log_loss", "calibration_error") else CHOSEN
    found = metric.compute(predictions=predictions, references=TRUTH)
    assert list(found) == [name]


def test_all_figures_for_numbers_at_once():
    truth, found = np.array([1.0, 2.5, 4.0]), np.array([1.5, 2.0, 4.5])
    figures = measure_numbers(truth, found)
    assert list(figures) == ["pearson", "spearman", "rmse", "mae", "r2"]
    assert figures["mae"] == pytest.approx(0.5)
    assert figures["r2"] == pytest.approx(number_metrics.r2(truth, found))
    with pytest.raises(InputError, match="got 3 and 2"):
        measure_numbers(truth, found[:2])
    with pytest.raises(InputError, match="got 0 and 0"):
        measure_numbers(truth[:0], found[:0])


def test_batches_add_up_to_the_whole():
    metric = load_metric("macro_f1")
    for p, t in zip(CHOSEN, TRUTH, strict=True):
        metric.add(prediction=p, reference=t)
    assert metric.compute()["macro_f1"] == pytest.approx(
        class_metrics.macro_f1(np.array(TRUTH), np.array(CHOSEN))
    )


def test_metrics_are_combined():
    found = combined(["accuracy", "matthews"]).compute(predictions=CHOSEN, references=TRUTH)
    assert found["accuracy"] == 0.75
    assert 0 < found["matthews"] < 1


def test_all_figures_at_once_agree_with_the_plain_functions():
    truth, shares = np.array(TRUTH), np.array(SHARES)
    found = measure(truth, shares, shares.argmax(axis=1))
    assert found["log_loss"] == pytest.approx(class_metrics.log_loss(truth, shares))
    assert found["accuracy"] == 0.75


def test_several_labels_are_measured():
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    shares = np.array([[0.9, 0.2], [0.6, 0.4], [0.3, 0.1]])
    found = measure(truth, shares, (shares > 0.5).astype(int))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["micro_f1"] == pytest.approx(0.8)


def test_each_class_is_scored():
    found = load_metric("per_class").compute(predictions=CHOSEN, references=TRUTH)["per_class"]
    assert {name: row["f1"] for name, row in found.items()} == {
        "0": 1.0,
        "1": pytest.approx(2 / 3),
        "2": pytest.approx(2 / 3),
    }
    assert found["0"].keys() == {"precision", "recall", "f1", "rows"}


def test_an_unknown_metric_and_rows_that_do_not_fit_are_named():
    with pytest.raises(ConfigError, match="Did you mean 'macro_f1'"):
        load_metric("macrof1")
    with pytest.raises(InputError, match="got 2, 1 and 2"):
        measure(np.zeros(2, dtype=int), np.ones((2, 2)), np.zeros(1, dtype=int))


def test_figures_of_numbers_and_of_classes_are_all_there_is():
    numbers, classes = figures_of(numeric=True), figures_of(numeric=False)
    assert "pearson" in numbers and "accuracy" in classes
    assert {*numbers, *classes, "per_class"} == set(METRICS)
