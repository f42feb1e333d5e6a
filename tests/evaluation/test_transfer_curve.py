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
    tested: ClassVar[list] = []

    def __init__(self, bonus=0.0):
        self.bonus = bonus

    def fit(self, rows, answers, source=None):
        self.rows_ = list(rows)
        Counting.fits.append((self.rows_, list(answers), source))
        return self

    def score(self, rows, answers):
        assert not {*self.rows_} & {*rows}
        Counting.tested.append((list(rows), answers))
        return min(len(self.rows_) / 200 + self.bonus, 1.0)


class CountingNumbers(RegressorMixin, Counting):
    score = Counting.score


@pytest.fixture(autouse=True)
def no_fits():
    Counting.fits, Counting.tested = [], []


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


def test_sizes_double_by_default_while_there_are_training_rows():
    curve = TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, LABELS, draws=2)
    assert curve.sizes == (8, 16, 32, 64) and curve.resolution == 1 / 30
    assert list(curve.overlaps) == [0.25] * 4
    many = [f"class {i % 50}" for i in range(120)]
    crowded = TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, many, draws=2)
    assert len(crowded.sizes) == 1 and crowded.sizes[0] <= 100


def test_fixed_test_rows_are_scored_in_each_draw_and_half_of_the_rows_are_drawn():
    test = Corpus(["x", "y"], ["a", "b"])
    curve = TransferCurve(
        {"a": Counting(), "b": Counting()}, TEXTS, LABELS, draws=2, test=test, test_share=0.9
    )
    assert all(tested == (["x", "y"], ["a", "b"]) for tested in Counting.tested)
    assert curve.sizes == (8, 16, 32) and curve.resolution == 0.5
    np.testing.assert_allclose(curve.overlaps, np.array(curve.sizes) / 120)
    whole = TransferCurve(
        {"a": Counting(), "b": Counting()}, TEXTS, LABELS, [60, 120], draws=2, test=test
    )
    assert whole.start().high - whole.start().low > 0 and whole.overlaps[1] < 1


def test_rows_with_several_labels_are_drawn_by_their_rarest_label():
    rng = np.random.default_rng(0)
    several = [sorted(set(rng.choice(list("abcdef"), size=3).tolist())) for _ in range(120)]
    curve = TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, several, draws=2)
    assert curve.sizes == (12, 24, 48) and len(Counting.tested[0][0]) == 30
    means = [np.mean([len(labels) for labels in part]) for part in (several, Counting.tested[0][1])]
    assert means[0] == pytest.approx(means[1], abs=0.25)


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
    for _, answers, _ in Counting.fits:  # each training set has small and large numbers
        thirds = np.histogram(np.float64(answers), bins=[0, 40, 80, 120])[0]
        assert thirds.min() >= 2


def test_the_coefficient_of_determination_has_no_lower_limit():
    curve = TransferCurve(
        {"a": CountingNumbers(-2.0), "b": CountingNumbers()}, TEXTS, np.arange(120.0), [10], draws=2
    )
    assert curve.start().value == pytest.approx(-2.0) and curve.lowest == -np.inf
    assert curve.start().low <= curve.start().high


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
        ({"test": Corpus(["x"])}, "test needs texts with labels"),
        ({"test": (["x"], ["a"])}, "test needs texts with labels"),
        ({"fit_params": {"aa": {}}}, "Did you mean 'a'"),
        ({"test_share": 0.001}, "leave no test rows"),
        ({"test_share": 1.5}, "test_share must lie between 0 and 1"),
    ],
)
def test_bad_input_is_refused_before_any_fit(options, problem):
    with pytest.raises(InputError, match=problem):
        TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, LABELS, **options)
    assert not Counting.fits


def test_a_score_that_is_not_finite_ends_the_measurement_at_once():
    with pytest.raises(InputError, match="with 8 labels is not a finite number"):
        TransferCurve(
            {"a": Counting(), "b": Counting()}, TEXTS, LABELS, score=lambda *_: float("nan")
        )
    assert len(Counting.fits) == 2


def test_fewer_labels_than_texts_and_a_single_estimator_are_refused():
    with pytest.raises(InputError, match="120 texts and 119 answers"):
        TransferCurve({"a": Counting(), "b": Counting()}, TEXTS, LABELS[1:])
    with pytest.raises(InputError, match="two estimators"):
        TransferCurve({"a": Counting()}, TEXTS, LABELS)
