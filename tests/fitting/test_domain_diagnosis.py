import logging
from dataclasses import dataclass

import numpy as np
import pytest

from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.evaluation.domain_distance import domain_accuracy
from nlptl.fitting import domain_diagnosis
from nlptl.fitting.domain_diagnosis import with_domain_shift
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.training_data import TrainingData
from nlptl.heads.calibration.decision import Decision
from nlptl.training.history import History


@dataclass
class Numbers:
    """Features of texts that are numbers: the number times a factor, and the number of calls."""

    factor: float = 1.0
    n_rows: int = 0

    def transform(self, rows):
        self.n_rows += len(rows)
        return np.array([[self.factor * float(text)] for text in rows.texts])


@dataclass
class Line:
    """Head with the logits (-slope * x, slope * x)."""

    slope: float

    def decision_function(self, X):
        return np.concatenate([-self.slope * X, self.slope * X], axis=1)


def head_of(slope):
    return FittedHead(None, Line(slope), Decision())


@pytest.fixture(autouse=True)
def plain_logits(monkeypatch):
    monkeypatch.setattr(FittedHead, "logits", lambda self, X: self.fitted.decision_function(X))


def data_of(source, unlabeled, codes, domains=None, n_outputs=2):
    domains = np.ones(len(source), dtype=np.int64) if domains is None else domains
    targets = Targets(np.asarray(codes), n_outputs, domains=domains)
    texts = [str(number) for number in source]
    return TrainingData(
        Rows(texts), targets, None, unlabeled=Rows([str(number) for number in unlabeled])
    )


def shift_of(data, before, after, seed=0):
    return with_domain_shift(History(losses=[1.0]), data, before, after, seed=seed).domains


def test_figures_are_those_of_source_and_target_before_and_after():
    source, unlabeled = np.linspace(-1, 1, 20), np.r_[np.linspace(0.1, 1, 15), -1.0, -2.0]
    data = data_of(source, unlabeled, source > 0)
    shift = shift_of(data, (Numbers(), head_of(0.5)), (Numbers(-1.0), head_of(2.0)))
    columns = source[:, None], unlabeled[:, None]
    assert shift.domain_accuracy_before == domain_accuracy(*columns, seed=0)
    assert shift.domain_accuracy_after == domain_accuracy(*(-c for c in columns), seed=0)
    assert shift.source_class_shares == (0.5, 0.5)
    assert shift.class_shares_before == pytest.approx((2 / 17, 15 / 17))
    assert shift.class_shares_after == pytest.approx((15 / 17, 2 / 17))

    def entropy(slope):
        p = 1 / (1 + np.exp(-2 * slope * unlabeled))
        return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean())

    assert shift.entropy_before == pytest.approx(entropy(0.5))
    assert shift.entropy_after == pytest.approx(entropy(2.0))


def test_labelled_target_rows_do_not_count_as_source():
    numbers = np.r_[np.linspace(0.5, 1, 10), np.linspace(-2, -1, 10)]
    domains = np.repeat([2, 0], 10)
    data = data_of(numbers, np.linspace(-2, -1, 20), numbers > 0, domains)
    shift = shift_of(data, (Numbers(), None), (Numbers(), head_of(1.0)))
    assert shift.domain_accuracy_after == 1.0 and shift.source_class_shares == (0.0, 1.0)
    assert shift.class_shares_before == () and shift.entropy_before is None


def test_a_sample_is_drawn_from_the_seed(monkeypatch):
    monkeypatch.setattr(domain_diagnosis, "_MAX_ROWS_PER_DOMAIN", 30)
    rng = np.random.default_rng(0)
    source, unlabeled = rng.normal(size=100), rng.normal(size=120) + 1
    data = data_of(source, unlabeled, source > 0)
    features, head = Numbers(), head_of(1.0)
    first = shift_of(data, (features, head), (features, head))
    assert features.n_rows == 2 * (30 + 30)
    assert shift_of(data, (features, head), (features, head)) == first
    other = shift_of(data, (features, head), (features, head), seed=1)
    assert other.entropy_after != first.entropy_after
    assert first.source_class_shares == pytest.approx((np.mean(source <= 0), np.mean(source > 0)))


def test_a_collapse_is_recorded_and_logged(caplog):
    source, unlabeled = np.linspace(-1, 1, 20), np.linspace(0.5, 1, 12)
    data = data_of(source, unlabeled, source > 0)
    with caplog.at_level(logging.WARNING, logger="nlptl"):
        shift = shift_of(data, (Numbers(), head_of(1.0)), (Numbers(), head_of(1.0)))
    assert "All target texts are predicted as one class" in shift.warning
    assert shift.warning in caplog.text
    caplog.clear()
    unlabeled = np.r_[unlabeled, -unlabeled]
    with caplog.at_level(logging.WARNING, logger="nlptl"):
        shift = shift_of(
            data_of(source, unlabeled, source > 0),
            (Numbers(), head_of(1.0)),
            (Numbers(), head_of(1.0)),
        )
    assert shift.warning == "" and not caplog.records


def test_classes_that_are_lost_are_recorded():
    source, unlabeled = np.linspace(-1, 1, 20), np.linspace(-1, 1, 12)
    data = data_of(source, unlabeled, source > 0)
    before, swapped = (Numbers(), head_of(1.0)), (Numbers(), head_of(-1.0))
    assert "by chance" in shift_of(data, before, swapped).warning
    assert shift_of(data, swapped, before).warning == ""  # the model before knew nothing
    assert shift_of(data, before, (Numbers(), head_of(0.1))).warning == ""
    of_one_class = data_of(source, unlabeled, np.zeros(20, dtype=np.int64))
    assert shift_of(of_one_class, before, swapped).warning == ""


def test_numbers_and_several_labels_have_fewer_figures():
    source, unlabeled = np.linspace(-1, 1, 20), np.linspace(0.5, 1, 12)
    numbers = data_of(source, unlabeled, source, n_outputs=1)
    shift = shift_of(numbers, (Numbers(), head_of(1.0)), (Numbers(), head_of(1.0)))
    assert shift.class_shares_after == shift.source_class_shares == ()
    assert shift.entropy_after is None and shift.domain_accuracy_after > 0.5
    marked = np.stack([source > 0, source > -2], axis=1).astype(np.int64)
    head = FittedHead(None, Line(1.0), Decision(thresholds=np.array([0.5, 0.5])))
    several = data_of(source, unlabeled, marked)
    shift = shift_of(several, (Numbers(), head), (Numbers(), head))
    assert shift.class_shares_after == (0.0, 1.0) and shift.source_class_shares == (0.5, 1.0)
    assert shift.entropy_after is None and shift.warning == ""


def test_without_a_source_nothing_is_measured():
    data = data_of([0.5, 1.0], [0.7], [0, 1], np.zeros(2, dtype=np.int64))
    history = History(losses=[1.0])
    assert with_domain_shift(history, data, (None, None), (None, None), seed=0) is history
