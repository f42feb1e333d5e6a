import numpy as np
import pytest
from sklearn.base import BaseEstimator

from nlptl.base.errors import InputError
from nlptl.data.labels import as_values
from nlptl.evaluation.paired_fits import (
    answer_codes,
    check_fit_params,
    default_score,
    fit_and_score,
)


class Majority(BaseEstimator):
    def __init__(self, label=None):
        self.label = label

    def fit(self, rows, answers, label=None):
        self.chosen_ = label or self.label or max(sorted(set(answers)), key=answers.count)
        return self

    def score(self, rows, answers):
        return sum(answer == self.chosen_ for answer in answers) / len(answers)


def test_clones_are_fitted_on_the_same_rows_and_scored_on_others():
    models = {"majority": Majority(), "b": Majority("b"), "c": Majority()}
    training, testing = (["x"] * 3, ["a", "a", "b"]), (["x"] * 4, ["a", "b", "b", "c"])
    params = {"c": {"label": "c"}}
    scores, seconds = fit_and_score(models, training, testing, default_score, params)
    assert scores == [0.25, 0.5, 0.25]
    assert len(seconds) == 3 and all(part >= 0 for pair in seconds for part in pair)
    assert not any(hasattr(model, "chosen_") for model in models.values())


def test_equal_answers_have_equal_codes():
    assert answer_codes(["b", "a", "b"]).tolist() == [1, 0, 1]
    assert answer_codes([np.str_("a"), "a"]).tolist() == [0, 0]
    assert answer_codes(["3", "1"], numeric=True).tolist() == [3.0, 1.0]


def test_several_labels_per_row_are_zeros_and_ones_whatever_their_order():
    lists = as_values([["x", "y"], ["x"], ["y", "x"], []])
    assert answer_codes(lists).tolist() == [[1, 1], [1, 0], [1, 1], [0, 0]]
    assert answer_codes(as_values([{"y", "x"}, {"x"}])).tolist() == [[1, 1], [1, 0]]
    indicator = np.array([[1, 0], [1, 1]])
    assert answer_codes(as_values(indicator)).tolist() == indicator.tolist()


def test_arguments_of_an_estimator_that_does_not_exist_are_refused():
    check_fit_params({"with source": {}}, ["with source"], of="judge")
    with pytest.raises(InputError, match="Did you mean 'with source'"):
        check_fit_params({"with_source": {}}, ["with source", "without"], of="judge")
