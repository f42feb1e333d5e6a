import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from nlptl import (
    Frozen,
    FusedEncoder,
    LogisticHead,
    TextClassifier,
    TfidfEncoder,
    TransformerEncoder,
)
from nlptl.base import clock
from nlptl.base.errors import InputError
from nlptl.evaluation.judge import Splits, judge, judge_fitted
from nlptl.evaluation.method_cost import MethodCost
from nlptl.evaluation.prior_gains import PriorGain
from nlptl.evaluation.verdict import HELPS, HURTS, UNCLEAR, Verdict


class Knower(BaseEstimator):
    """Right on a share of the rows; which ones is a matter of the text."""

    def __init__(self, share=0.5, salt=0):
        self.share = share
        self.salt = salt

    def fit(self, rows, answers):
        self.seen_ = set(rows)
        return self

    def score(self, rows, answers):
        assert not self.seen_ & set(rows)
        lucky = [np.random.default_rng([len(t), self.salt, int(t)]).random() for t in rows]
        return float(np.mean(np.array(lucky) < self.share))


SAME = {"one": Knower(), "other": Knower()}
TEXTS, LABELS = [str(i) for i in range(200)], ["a", "b"] * 100


@pytest.mark.parametrize(("share", "said"), [(0.9, HELPS), (0.1, HURTS), (0.52, UNCLEAR)])
def test_a_clear_difference_is_told_from_chance(share, said):
    verdict = judge({"names": Knower(share, 1), "frozen": Knower(0.5, 2)}, TEXTS, LABELS)
    assert verdict.outcome == said
    assert verdict.accepted is (verdict.gain.value >= 0)
    assert verdict.scores.shape == (10, 2)
    assert str(verdict).startswith(f"names against frozen: {said}, ")
    assert verdict.to_json()["outcome"] == said


def test_several_estimators_are_compared_with_the_last_on_the_same_splits():
    models = {"good": Knower(0.9, 1), "bad": Knower(0.1, 3), "base": Knower(0.5, 2)}
    verdict = judge(models, TEXTS, LABELS)
    assert verdict.methods == ("good", "bad", "base") and verdict.scores.shape == (10, 3)
    assert verdict.gains["good"].low > 0 > verdict.gains["bad"].high
    assert verdict.kept == "good" and set(verdict.figures) == set(models)
    pair = judge({name: models[name] for name in ("bad", "base")}, TEXTS, LABELS)
    assert pair.gains["bad"] == verdict.gains["bad"] and pair.kept == "base"


def test_the_seconds_of_each_estimator_are_the_median_of_the_splits(monkeypatch):
    class Slow(Knower):
        def fit(self, rows, answers):
            moments.append(moments[-1] + self.salt)
            return super().fit(rows, answers)

    moments = [0.0]
    monkeypatch.setattr(clock, "seconds", lambda: moments[-1])
    verdict = judge({"slow": Slow(0.5, 3), "slower": Slow(0.5, 5)}, TEXTS, LABELS)
    assert verdict.costs == {"slow": MethodCost(3.0, 0.0), "slower": MethodCost(5.0, 0.0)}


def _right_on(n_right):
    return lambda rows: float((np.arange(40) < n_right)[rows].mean())


def test_fitted_models_are_compared_on_the_same_rows():
    figures = {"a": _right_on(20), "b": _right_on(38), "base": _right_on(21)}
    verdict = judge_fitted(figures, 40, metric="accuracy")
    assert verdict.kept == "b" and verdict.n_rows == 40 and verdict.outcome == UNCLEAR
    assert verdict.figures == {"a": 0.5, "b": 0.95, "base": 0.525}
    assert verdict.gains["b"].value == pytest.approx(0.425)
    less = judge_fitted(figures, 40, metric="rmse", lower_is_better=True)
    assert less.kept == "a" and less.gains["b"].high < 0
    alone = judge_fitted({"a": figures["a"]}, 40, metric="accuracy")
    assert (alone.kept, alone.outcome, alone.gains) == ("a", "not compared", {})


def test_an_estimator_against_itself_gains_nothing():
    verdict = judge(SAME, TEXTS, LABELS)
    assert (verdict.gain.value, verdict.outcome, verdict.accepted) == (0.0, UNCLEAR, True)


def test_chance_is_seldom_taken_for_a_gain():
    # Both are right on half of the rows, whichever these are: 5 % of verdicts may be wrong.
    wrong = [
        judge({"one": Knower(0.5, salt), "other": Knower(0.5, salt + 1000)}, TEXTS, LABELS).outcome
        != UNCLEAR
        for salt in range(60)
    ]
    assert np.mean(wrong) < 0.12


def test_splits_test_every_row_once_a_round_and_spread_classes():
    splits = Splits(4, 3, seed=1).of(["a"] * 8 + ["b"] * 4)
    assert len(splits) == 12
    for place in range(3):
        hidden = np.concatenate([tested for _, tested in splits[4 * place : 4 * place + 4]])
        assert sorted(hidden.tolist()) == list(range(12))
    for seen, tested in splits:
        assert len(seen) == 9 and (tested < 8).sum() == 2
    assert Splits(2, 1).of([0.5, 0.1, 0.9, 0.4])[0][1].shape == (2,)


def test_real_estimators_are_judged(few, tiny_encoder):
    texts, labels = few
    counts = TextClassifier(TfidfEncoder(), head=LogisticHead(C=1.0))
    frozen = TextClassifier(
        TransformerEncoder(tiny_encoder), transfer=Frozen("top"), head=LogisticHead(C=1.0)
    )
    both = {"counts": counts, "frozen": frozen}
    verdict = judge(both, texts, np.array(labels), splits=Splits(2, 2))
    assert verdict.scores.shape == (4, 2) and (verdict.scores >= 0).all()

    def surest(model, rows, answers):
        return float(model.predict_proba(rows).max(axis=1).mean())

    other = judge(both, texts, labels, splits=Splits(2, 1), score=surest)
    assert (other.scores > 0.5).all()


def test_too_little_is_refused():
    with pytest.raises(InputError, match="5 folds need at least 5 rows, got 3"):
        judge(SAME, TEXTS[:3], LABELS[:3])
    with pytest.raises(InputError, match="one answer, got 4 texts and 3 answers"):
        judge(SAME, TEXTS[:4], LABELS[:3])
    with pytest.raises(InputError, match="with a baseline, got 1 estimator"):
        judge({"one": Knower()}, TEXTS, LABELS)
    with pytest.raises(InputError, match="two folds"):
        Splits(1)


def test_each_estimator_gets_what_fit_is_given_for_it():
    seen = []

    class Listener(Knower):
        def fit(self, rows, answers, **given):
            seen.append((self.salt, given))
            return super().fit(rows, answers)

    pair = {"more": Listener(salt=1), "plain": Listener(salt=2)}
    judge(pair, TEXTS, LABELS, splits=Splits(2, 1), fit_params={"more": {"unlabeled": "texts"}})
    assert seen == [(1, {"unlabeled": "texts"}), (2, {})] * 2


class Fixed(BaseEstimator):
    """Gives the scores it was told to, one after the other."""

    left = {}  # noqa: RUF012 - shared by the clones on purpose

    def __init__(self, name="one"):
        self.name = name

    def fit(self, rows, answers):
        self.seen_ = answers
        return self

    def score(self, rows, answers):
        return self.left[self.name].pop(0)


def test_rounding_does_not_close_the_gate():
    Fixed.left = {"one": [2 / 3, 2 / 3], "other": [1.0, 1 / 3]}
    pair = {"one": Fixed("one"), "other": Fixed("other")}
    verdict = judge(pair, TEXTS, LABELS, splits=Splits(2, 1))
    assert verdict.gain.value < 0 and verdict.accepted


def test_zeros_and_ones_stay_an_array_and_tables_a_list(few):
    texts, marks = few[0], np.array([[1, 0, 1], [0, 1, 0]] * 20)
    model = TextClassifier(TfidfEncoder(), head=LogisticHead(C=1.0))
    verdict = judge({"one": model, "same": model}, texts, marks, splits=Splits(2, 1))
    assert verdict.gain.value == 0.0
    fitted = []

    class Spy(Fixed):
        def fit(self, rows, answers):
            fitted.append(answers)
            return self

        def score(self, rows, answers):
            return 0.0

    judge({"one": Spy("a"), "other": Spy("b")}, texts, marks, splits=Splits(2, 1))
    assert all(answers.shape == (20, 3) for answers in fitted)
    fitted.clear()
    column = pd.DataFrame({"label": ["a", "b"] * 20})
    judge({"one": Spy("a"), "other": Spy("b")}, texts, column, splits=Splits(2, 1))
    assert all(sorted(set(answers)) == ["a", "b"] for answers in fitted)


def test_numbers_of_a_classifier_are_classes_and_those_of_a_regressor_are_not():
    answers = [1.0, 2.0] * 8
    for seen, _ in Splits(4, 1).of(answers):
        assert sorted(answers[i] for i in seen) == [1.0] * 6 + [2.0] * 6
    hidden = Splits(4, 1).of(np.arange(16.0), numeric=True)[0][1]
    assert hidden.min() < 8 <= hidden.max()


def test_splits_that_end_early_are_judged_as_far_as_they_went():
    class Short(Splits):
        def of(self, answers, *, numeric=False):
            return super().of(answers, numeric=numeric)[:3]

    assert judge(SAME, TEXTS, LABELS, splits=Short(5, 4)).scores.shape == (3, 2)


def test_experience_decides_where_splits_do_not_agree():
    pair = {"names": Knower(0.45, 1), "frozen": Knower(0.5, 2)}
    known = PriorGain(0.1, 0.05)
    told = judge(pair, TEXTS[:20], LABELS[:20]).with_prior(known)
    assert told.gain.value < 0 and told.outcome == UNCLEAR
    assert told.accepted and not judge(pair, TEXTS[:20], LABELS[:20]).accepted
    assert str(told).endswith(", but +0.100 on other data")
    again = Verdict.from_json(told.to_json())
    assert again.accepted and again.prior == known
    clear = judge({"names": Knower(0.05, 1), "frozen": Knower(0.9, 2)}, TEXTS, LABELS)
    assert clear.outcome == HURTS
    assert not clear.with_prior(known).accepted


def test_named_columns_of_labels_are_judged_by_name(few):
    texts, labels = few
    table = pd.get_dummies(pd.Series(labels))
    pair = {"one": TextClassifier(TfidfEncoder()), "other": TextClassifier(TfidfEncoder(), seed=1)}
    assert judge(pair, texts, table, splits=Splits(2, 1)).scores.shape == (2, 2)


def test_gains_in_accuracy_stay_within_their_range_and_other_gains_do_not():
    class Alternating(Knower):
        def score(self, rows, answers):
            return float("0" in rows) if self.salt else 0.5

    models = {"new": Alternating(salt=1), "old": Alternating(salt=0)}
    accuracy = judge(models, TEXTS, LABELS, splits=Splits(2, 1)).gain
    assert (accuracy.value, accuracy.low, accuracy.high) == (0.0, -1.0, 1.0)
    scored = judge(
        models,
        TEXTS,
        LABELS,
        splits=Splits(2, 1),
        score=lambda model, rows, answers: model.score(rows, answers),
    )
    assert scored.gain.low < -1


def test_each_estimator_reads_the_columns_of_a_table_that_its_encoder_names():
    words = [f"word{number} {'good' if number % 2 else 'bad'}" for number in range(40)]
    table = pd.DataFrame({"title": [f"title{number}" for number in range(40)], "body": words})
    labels = ["+" if number % 2 else "-" for number in range(40)]
    counts = (TfidfEncoder(), TfidfEncoder(longest=1))
    models = {
        column: TextClassifier(
            FusedEncoder(counts, text_columns=(column,)), head=LogisticHead(C=1.0)
        )
        for column in ("body", "title")
    }
    for columns in (table, {name: table[name].tolist() for name in table}):
        verdict = judge(models, columns, labels, splits=Splits(2, 1))
        assert verdict.figures["body"] == 1.0 and verdict.figures["title"] < 0.8
