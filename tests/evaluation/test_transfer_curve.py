from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from nlptl import Corpus, TextClassifier, TransferCurve
from nlptl.base.errors import InputError

TEXTS, LABELS = [f"{i} word" for i in range(120)], ["a", "b", "c"] * 40


class Counting(BaseEstimator):
    """Scores the share of all rows that it was fitted on, and keeps the rows."""

    fits: ClassVar[list] = []

    def __init__(self, bonus=0.0):
        self.bonus = bonus

    def fit(self, rows, answers, source=None):
        self.rows_ = list(rows)
        Counting.fits.append((self.rows_, list(answers), source))
        return self

    def score(self, rows, answers):
        assert not {*self.rows_} & {*rows}
        return min(len(self.rows_) / 200 + self.bonus, 1.0)


class CountingNumbers(RegressorMixin, Counting):
    pass


@pytest.fixture(autouse=True)
def no_fits():
    Counting.fits = []


def test_all_methods_get_the_same_rows_and_larger_sets_contain_the_smaller_ones():
    curve = TransferCurve(
        {"more": Counting(0.1), "less": Counting()}, TEXTS, LABELS, [12, 24, 48], draws=2
    )
    assert curve.scores.shape == (2, 3, 2) and curve.methods == ("more", "less")
    assert curve.start().value == pytest.approx(0.1)
    rows = [part for part, _, _ in Counting.fits]
    assert rows[0::2] == rows[1::2]  # both methods
    first, second, third = rows[0:6:2]
    assert first == second[:12] and second == third[:24] and len(third) == 48
    assert rows[0] != rows[6]  # the second draw
    answers = Counting.fits[0][1]
    assert [answers.count(label) for label in "abc"] == [4, 4, 4]


def test_sizes_double_by_default_up_to_all_training_rows():
    curve = TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, LABELS, draws=2)
    assert curve.sizes == (8, 16, 32, 64) and curve.test_share == 0.25
    fixed = TransferCurve(
        {"a": Counting(), "b": Counting()},
        TEXTS,
        LABELS,
        draws=2,
        test=Corpus(["x", "y"], ["a", "b"]),
    )
    assert fixed.sizes == (8, 16, 32, 64) and fixed.test_share is None


def test_numbers_and_a_score_of_the_user_are_possible():
    curve = TransferCurve(
        {"a": CountingNumbers(), "b": CountingNumbers()},
        TEXTS,
        np.arange(120.0),
        [10, 40],
        draws=2,
        score=lambda model, rows, answers: float(np.median(answers)),
    )
    assert curve.limit == np.inf and (curve.scores > 1).all()
    low, high = np.quantile(Counting.fits[0][1], [0, 1])
    assert low < 40 and high > 80  # each training set has small and large numbers


def test_other_arguments_of_fit_go_to_their_method_only():
    source = Corpus(["x"], ["a"])
    params = {"with": {"source": source}}
    models = {"with": Counting(), "without": Counting()}
    TransferCurve(models, TEXTS, LABELS, [12], draws=2, fit_params=params)
    assert [part[2] for part in Counting.fits] == [source, None] * 2


def test_equal_classifiers_have_equal_scores(support):
    texts, labels = support
    curve = TransferCurve(
        {"a": TextClassifier("tfidf"), "b": TextClassifier("tfidf")},
        texts[:120],
        labels[:120],
        [16, 32],
        draws=2,
    )
    assert (curve.scores[:, :, 0] == curve.scores[:, :, 1]).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"sizes": [200]}, "between 2 and the 90 training rows"),
        ({"sizes": []}, "between 2 and the 90 training rows"),
        ({"draws": 1}, "two draws"),
        ({"test": Corpus(["x"])}, "test needs labels"),
        ({"test_share": 1.5}, "test_share must lie between 0 and 1"),
    ],
)
def test_bad_input_is_refused_before_any_fit(options, problem):
    with pytest.raises(InputError, match=problem):
        TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, LABELS, **options)
    assert not Counting.fits


def test_fewer_labels_than_texts_and_a_single_estimator_are_refused():
    with pytest.raises(InputError, match="120 texts and 119 answers"):
        TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, LABELS[1:])
    with pytest.raises(InputError, match="two estimators"):
        TransferCurve({"a": Counting()}, TEXTS, LABELS)
