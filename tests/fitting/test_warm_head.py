import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from nlptl import LogisticHead, PrototypeHead
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_fit import TrainingPlan, fit_solver_scorer
from nlptl.fitting.warm_head import linear_map, warm_head
from nlptl.heads.solver_fit import logits_of
from nlptl.training.config import LoopConfig

PLAN = TrainingPlan(LoopConfig(), None, 0, "cpu")


def test_a_linear_head_becomes_a_layer_with_the_same_calibrated_logits(clouds):
    import torch

    X, y = clouds
    head: FittedHead = fit_solver_scorer(LogisticHead(C=1.0), X, Targets(y, 3), PLAN)
    warm = warm_head(head, Targets(y, 3), (("sentence", 12),))
    layer = warm.head.module(torch.from_numpy(X)).detach().numpy()
    wanted = logits_of(head.fitted, X) / head.decision.temperature
    np.testing.assert_allclose(layer, wanted, atol=1e-4)
    assert warm.decision.temperature == 1.0


def test_prototypes_are_a_linear_map_and_neighbours_are_none(clouds):
    X, y = clouds
    weights, offset = PrototypeHead().fit(X, y).linear_map()
    assert weights.shape == (3, 12) and offset.shape == (3,)
    with pytest.raises(ConfigError, match="linear head or a network, got KNeighborsClassifier"):
        linear_map(KNeighborsClassifier(1).fit(X, y))
