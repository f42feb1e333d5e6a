import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from nlptl import BlendHead, DiscriminantHead, LogisticHead, PrototypeHead, RidgeHead
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.heads import MeaningHead, solver_fit
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.calibration.imbalance import ClassWeights, LogitAdjustment
from nlptl.heads.solver_fit import (
    OneVsRest,
    fit_one,
    fit_solver,
    learn_decision,
    logits_of,
    weigh_rows,
)

EVERY_HEAD = [
    LogisticHead(),
    LogisticHead(C=1.0),
    BlendHead(),
    PrototypeHead(),
    DiscriminantHead(),
    KNeighborsClassifier(),
    LinearSVC(),
    RidgeClassifier(),
]


@pytest.fixture
def labels(clouds):
    """Three labels, the third only on four rows, a fourth never."""
    X, y = clouds
    several = np.stack([y == 0, y <= 1, np.arange(90) < 4, np.zeros(90)], axis=1).astype(int)
    return X, Targets(several, 4)


@pytest.mark.parametrize("head", EVERY_HEAD, ids=repr)
def test_every_head_learns_and_leaves_the_spec_alone(head, clouds):
    X, y = clouds
    scorer, decision = fit_solver(head, X, Targets(y, 3), imbalance=None, seed=0)
    shares = decision.probabilities(logits_of(scorer, X))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)  # in float32
    assert (decision.choose(shares) == y).mean() > 0.9
    assert not hasattr(head, "classes_")


@pytest.mark.parametrize("head", EVERY_HEAD, ids=repr)
def test_every_head_learns_several_labels(head, labels):
    X, targets = labels
    scorer, decision = fit_solver(head, X, targets, imbalance=None, seed=0)
    shares = decision.probabilities(logits_of(scorer, X))
    chosen = decision.choose(shares)
    assert shares.shape == (90, 4)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (chosen[:, :2] == targets.codes[:, :2]).mean() > 0.9
    assert not chosen[:, 3].any()


def test_the_temperature_makes_probabilities_match_frequencies():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    X = rng.normal(size=(1000, 60)) + (y[:, None] - 0.5) * 0.35
    scorer, decision = fit_solver(
        LogisticHead(strengths=(100.0,)), X[:500], Targets(y[:500], 2), imbalance=None, seed=0
    )
    logits = logits_of(scorer, X[500:])
    calm = decision.probabilities(logits).max(axis=1).mean()
    right = (logits.argmax(axis=1) == y[500:]).mean()
    assert decision.temperature > 1
    assert abs(calm - right) < 0.05


def test_few_rows_leave_the_decision_undecided():
    scorer, decision = fit_solver(
        PrototypeHead(), np.eye(4), Targets(np.array([0, 1, 0, 1]), 2), imbalance=None, seed=0
    )
    assert decision.temperature == 1.0
    assert scorer.prototypes_.shape == (2, 4)


def test_weights_of_the_user_and_of_rare_classes_are_joined():
    targets = Targets(np.array([0, 0, 0, 1]), 2, np.array([1.0, 1, 1, 2]))
    joined = weigh_rows(targets, ClassWeights(power=1)).weights
    assert joined[3] / joined[0] == pytest.approx(6)
    assert weigh_rows(targets, None) is targets
    assert weigh_rows(targets, LogitAdjustment()) is targets


def test_a_rule_with_a_higher_temperature_predicts_the_same_with_less_confidence():
    decision = Decision(offsets=np.array([0.0, 1.5]))
    logits = np.random.default_rng(0).normal(size=(200, 2))
    rules = decision, decision.with_temperature(2.0)
    before, after = (rule.probabilities(logits) for rule in rules)
    np.testing.assert_array_equal(decision.choose(before), decision.choose(after))
    assert after.max(axis=1).mean() < before.max(axis=1).mean()


@pytest.mark.parametrize("imbalance", [ClassWeights(power=1), LogitAdjustment()])
def test_a_rare_class_is_found_more_often(imbalance):
    rng = np.random.default_rng(1)
    y = (rng.random(1500) < 0.06).astype(int)
    X = rng.normal(size=(1500, 5)) + y[:, None] * 0.9
    found = {}
    for treatment in (None, imbalance):
        scorer, decision = fit_solver(
            LogisticHead(), X[:800], Targets(y[:800], 2), imbalance=treatment, seed=0
        )
        chosen = decision.choose(decision.probabilities(logits_of(scorer, X[800:])))
        found[treatment] = chosen[y[800:] == 1].mean()
    assert found[imbalance] > found[None]


def test_many_rows_of_several_labels_choose_on_the_same_rows(labels, monkeypatch):
    monkeypatch.setattr("nlptl.heads.solver_fit.MAX_ROWS_TO_CHOOSE_ON", 60)
    X, targets = labels
    fitted = OneVsRest(LogisticHead()).fit(X, targets)
    assert fitted.held_out_.logits.shape == (60, 4)
    assert fitted.logits(X).shape == (90, 4)


def test_numbers_are_fitted_without_a_decision_to_learn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4))
    targets = Targets(X @ np.ones(4), 1)
    for head in (RidgeHead(), LinearRegression()):
        scorer, decision = fit_solver(head, X, targets, imbalance=None, seed=0)
        assert logits_of(scorer, X).shape == (30, 1)
        np.testing.assert_allclose(logits_of(scorer, X)[:, 0], targets.codes, atol=1e-2)
        assert decision == Decision()
    assert learn_decision(np.ones((30, 1)), targets, None) == Decision()


def test_a_head_that_takes_no_weights_says_so(clouds):
    X, y = clouds
    weighed = Targets(y, 3, np.arange(90.0))
    with pytest.raises(ConfigError, match="KNeighborsClassifier does not accept row weights"):
        fit_solver(KNeighborsClassifier(), X, weighed, imbalance=None, seed=0)


def test_rows_that_the_features_know_decide_nothing(clouds, monkeypatch):
    X, y = clouds
    targets = Targets(y, 3)
    monkeypatch.setattr(solver_fit, "_hold_out", lambda *_: pytest.fail("rows were held out"))
    weighed = fit_solver(
        RidgeClassifier(), X, targets, imbalance=ClassWeights(), seed=0, unseen=False
    )[1]
    assert weighed.temperature == 1.0 and weighed.offsets is None
    some = targets.take(np.flatnonzero((y < 2) | (np.arange(90) > 84)))
    moved = fit_solver(
        RidgeClassifier(), X[: len(some)], some, imbalance=LogitAdjustment(), seed=0, unseen=False
    )[1]
    assert moved.temperature == 1.0
    assert moved.offsets.argmax() == 2 and moved.offsets[2] > moved.offsets[0] > 0


def test_a_head_that_answers_for_classes_without_rows_can_be_calibrated():
    rng = np.random.default_rng(0)
    names = np.eye(3, 8)
    y = np.repeat([0, 1], 8)
    X = names[y] + rng.normal(scale=0.3, size=(16, 8))
    head = MeaningHead(labels=names, weight=2.0)
    fitted, decision = fit_solver(head, X, Targets(y, 3), imbalance=None, seed=0)
    assert decision.probabilities(fitted.logits(names)).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_label_of_a_single_row_leaves_the_log_odds_of_the_other_rows():
    rng = np.random.default_rng(0)
    codes = np.stack([np.arange(60) % 2, np.arange(60) == 7], axis=1).astype(np.int64)
    X = rng.normal(size=(60, 4)) + 3 * codes[:, :1]
    solver = OneVsRest(LogisticHead()).fit(X, Targets(codes, 2))
    assert 7 not in solver.held_out_.rows and len(solver.held_out_.rows) == 59
    found = (solver.held_out_.logits[:, 0] > 0) == codes[solver.held_out_.rows, 0]
    assert found.mean() > 0.9


def test_a_pipeline_without_row_weights_is_refused():
    X, y = np.array([[0.0], [1.0]]), np.array([0, 1])
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier())
    with pytest.raises(ConfigError, match="KNeighborsClassifier does not accept row weights"):
        fit_one(pipeline, X, Targets(y, 2, weights=np.ones(2)))


def test_row_weights_reach_the_last_step_of_a_pipeline():
    X, y = np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([0, 1, 1, 0])
    targets = Targets(y, 2, weights=np.array([9.0, 9.0, 1.0, 1.0]))
    head = fit_one(make_pipeline(StandardScaler(), LogisticRegression()), X, targets)
    assert head.predict(X).tolist() == [0, 1, 0, 1]
