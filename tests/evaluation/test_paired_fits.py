from sklearn.base import BaseEstimator

from nlptl.evaluation.paired_fits import answer_codes, default_score, fit_and_score


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
    codes = answer_codes([["x", "y"], ["x"], ["x", "y"]])
    assert codes[0] == codes[2] != codes[1]
