import io

import pytest
from rich.console import Console

from nlptl import TextClassifier, TfidfEncoder
from nlptl.cli.learning.training_report import audited, report_training
from nlptl.config.run import RunConfig
from nlptl.data.rows import Rows

TRAINING = Rows(["good tea", "bad day"] * 12), ["yes", "no"] * 12
TESTING = Rows(["good tea", "bad day", "bad tea"]), ["yes", "no", "no"]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, record=True)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "3 held-out rows of a.csv. The model is trained on the other 24 rows; --test-share 0"),
        ({"shots": 12}, "3 rows of a.csv that are not among the 24 training rows."),
        ({"test": "b.csv"}, "Measured on 3 rows of b.csv."),
    ],
)
def test_the_report_names_the_parts_and_the_rows_that_were_measured(console, settings, sentence):
    model = TextClassifier(TfidfEncoder()).fit(*TRAINING)
    report_training(model, RunConfig(data="a.csv", **settings), (TRAINING, TESTING), console)
    text = " ".join(console.export_text().split())
    assert sentence in text and "TfidfEncoder" in text and "accuracy" in text


def test_without_test_rows_nothing_is_measured(console):
    model = TextClassifier(TfidfEncoder()).fit(*TRAINING)
    report_training(model, RunConfig(data="a.csv"), (TRAINING, None), console)
    assert "Measured" not in console.export_text()


def test_the_audit_covers_the_test_rows(console):
    model = TextClassifier(TfidfEncoder())
    report = audited(model, TRAINING, TESTING, None, console)
    assert report.leaked == {"the test data": 2}
    assert "rows of the test data also in training" in console.export_text()
