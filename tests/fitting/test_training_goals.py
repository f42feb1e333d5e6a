import numpy as np
import pytest
import torch

from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.fitting.training_goals import LESS_IS_BETTER, loss_of, score_by
from nlptl.heads.calibration.imbalance import as_imbalance
from nlptl.training.losses import LabelLosses, focal_losses, row_losses

SEVERAL = Targets(np.eye(4, 2, dtype=np.int64), 2)
ONE = Targets(np.array([0, 1, 0, 1]), 2)


def test_the_loss_follows_the_treatment_of_rare_classes():
    assert loss_of(None, SEVERAL) is row_losses
    assert loss_of(as_imbalance("focal"), ONE) is focal_losses
    assert loss_of(as_imbalance("balanced"), ONE) is row_losses  # the rows are weighted
    assert isinstance(loss_of(as_imbalance("balanced"), SEVERAL), LabelLosses)


class Held:
    """Rows held out, with the targets alone."""

    targets = Targets(np.array([0, 1]), 2)


def test_a_metric_that_is_not_known_is_refused_before_training():
    with pytest.raises(ConfigError, match="Did you mean 'accuracy'"):
        score_by("acuracy", Held())


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("calibration_error", -1)])
def test_the_higher_score_is_the_better(monkeypatch, metric, sign):
    logits = np.array([[3.0, 0.0], [0.0, 3.0]])
    monkeypatch.setattr(
        "nlptl.training.networks.text_network.logits_of", lambda network, rows: logits
    )
    score = score_by(metric, Held())(torch.nn.Identity())
    assert (metric in LESS_IS_BETTER) == (sign < 0) and sign * score >= 0
