from dataclasses import replace

from nlptl import LogisticHead, MLPHead
from nlptl.data.targets import Targets
from nlptl.fitting.head_fit import TrainingPlan, fit_network_scorer, fit_solver_scorer
from nlptl.heads.calibration.imbalance import LogitAdjustment
from nlptl.training.config import LoopConfig
from nlptl.training.networks.feature_network import NetworkRecipe

GROUPS = (("a", 5), ("b", 7))


def plan(imbalance=None):
    return TrainingPlan(LoopConfig(epochs=4), imbalance, 0, "cpu")


def network(head, fusion=None, n_outputs=3):
    return NetworkRecipe(head, fusion, GROUPS, n_outputs)


def test_a_network_has_a_history_and_a_solver_has_none(clouds):
    X, y = clouds
    trained = fit_network_scorer(network(MLPHead((6,))), X, Targets(y, 3), plan())
    solved = fit_solver_scorer(LogisticHead(), X, Targets(y, 3), plan())
    assert len(trained.history.losses) > 0
    assert solved.history is None


def test_a_network_holds_out_no_row_that_its_features_know(clouds):
    X, y = clouds
    knowing = replace(plan(LogitAdjustment()), unseen=False)
    trained = fit_network_scorer(network(MLPHead((6,))), X, Targets(y, 3), knowing)
    assert trained.history.scores == [] and len(trained.history.losses) == 4
    assert trained.decision.temperature == 1.0
    other = fit_network_scorer(network(MLPHead((6,))), X, Targets(y, 3), plan())
    assert other.history.scores
