import numpy as np
import pytest
from sklearn.metrics import f1_score

from nlptl.base.errors import ConfigError
from nlptl.heads.calibration.imbalance import IMBALANCE, ClassWeights, LogitAdjustment, as_imbalance

CODES = np.repeat([0, 1, 2], [80, 16, 4])


def test_rare_rows_weigh_more_by_the_root_of_the_sizes_and_the_mean_is_one():
    weights = ClassWeights().row_weights(CODES)
    assert weights.mean() == pytest.approx(1)
    assert weights[-1] / weights[0] == pytest.approx(np.sqrt(20))
    assert ClassWeights(power=1).row_weights(CODES)[-1] / ClassWeights(power=1).row_weights(CODES)[
        0
    ] == pytest.approx(20)


def test_predictions_are_moved_towards_rare_classes_only_where_that_helps():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [900, 100])
    # A model that is too sure of the common class.
    logits = np.stack([np.full(1000, 2.0), codes * 2 + rng.normal(size=1000)], axis=1)
    offsets = LogitAdjustment().offsets(logits, codes)
    assert offsets[1] > offsets[0]
    before = f1_score(codes, logits.argmax(axis=1), average="macro")
    assert f1_score(codes, (logits + offsets).argmax(axis=1), average="macro") > before
    perfect = np.stack([1.0 - codes, codes], axis=1) * 9
    assert not LogitAdjustment().offsets(perfect, codes).any()


def test_each_treatment_does_one_thing():
    logits = np.zeros((100, 3))
    assert ClassWeights().offsets(logits, CODES) is None
    assert LogitAdjustment().row_weights(CODES) is None


def test_names_lead_to_treatments():
    assert as_imbalance(None) is None
    assert as_imbalance("balanced") is IMBALANCE["balanced"]
    with pytest.raises(ConfigError, match="Did you mean 'balanced'"):
        as_imbalance("balance")
