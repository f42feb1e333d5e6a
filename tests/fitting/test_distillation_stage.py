from dataclasses import replace

import numpy as np
import pytest

from nlptl import FullFineTune, TrainingConfig, TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.estimators.languages.language_student import DISTILLING
from nlptl.fitting.distillation_stage import distil
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.transfers import as_transfers
from nlptl.transfer.features.language_distillation import LanguageDistillation

TEXTS = [f"the card number {i}" for i in range(40)]


def test_vectors_approach_their_targets_and_the_start_stays_as_it_is(tiny_encoder):
    start = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    before = start.transform(TEXTS)
    goal = np.repeat(start.transform(["a parcel is late"]), len(TEXTS), axis=0)
    config = TrainingConfig(max_steps=30, batch_size=8, learning_rate=1e-3, quiet=True)
    encoder, history = distil(
        start,
        as_transfers([LanguageDistillation(), FullFineTune()], translations=True),
        TrainingPlan(config.over(DISTILLING), None, 0, "cpu"),
        TEXTS,
        Targets(goal, goal.shape[1]),
        teacher="a teacher",
    )
    after = encoder.transform(TEXTS)
    assert np.abs(after - goal).mean() < 0.8 * np.abs(before - goal).mean()
    np.testing.assert_array_equal(start.transform(TEXTS), before)
    assert len(history.steps) == 30


def test_checkpoints_of_another_teacher_are_refused(tiny_encoder, tmp_path):
    start = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    config = TrainingConfig(max_steps=2, quiet=True, checkpoints=str(tmp_path), save_steps=1)
    goal = start.transform(TEXTS)
    transfers = as_transfers(LanguageDistillation(), translations=True)
    plan = TrainingPlan(config.over(DISTILLING), None, 0, "cpu")
    targets = Targets(goal, goal.shape[1])
    distil(start, transfers, plan, TEXTS, targets, teacher="one")
    with pytest.raises(ConfigError, match="teacher"):
        distil(start, transfers, plan, TEXTS, targets, teacher="another")
    with pytest.raises(ConfigError, match="vectors"):
        distil(start, transfers, plan, TEXTS, Targets(-goal, goal.shape[1]), teacher="one")
    faster = replace(config, learning_rate=0.5).over(DISTILLING)
    with pytest.raises(ConfigError, match="training"):
        again = TrainingPlan(faster, None, 0, "cpu")
        distil(start, transfers, again, TEXTS, targets, teacher="one")
