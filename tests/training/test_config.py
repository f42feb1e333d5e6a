import copy
import inspect
import pickle
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from nlptl import TrainingConfig
from nlptl.base.errors import ConfigError
from nlptl.training.config import LoopConfig


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(ConfigError, match=r"epochs must be at least 1, got 0; .*warmup_share"):
        TrainingConfig(epochs=0, warmup_share=2.0)


@pytest.mark.parametrize("name", ["schedule", "precision", "average", "keep"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name}='nonsense' is not known"):
        TrainingConfig(**{name: "nonsense"})


def test_what_is_left_open_is_taken_from_others():
    chosen = LoopConfig(epochs=6, learning_rate=1e-4)
    found = TrainingConfig(epochs=3, average="ema").over(chosen)
    assert found == LoopConfig(epochs=3, learning_rate=1e-4, average="ema")
    assert TrainingConfig().over(chosen) == chosen


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("learning_rate", "x", "a number, or None"),
        ("learning_rate", True, "a number, or None"),
        ("epochs", 2.5, "a whole number, or None"),
        ("clip_norm", None, "a number"),
        ("quiet", 1, "True or False"),
        ("metric", 3, "a text"),
        ("checkpoints", 3, "a text, or None"),
    ],
)
def test_a_value_of_another_type_is_named_with_what_is_expected(name, value, expected):
    with pytest.raises(ConfigError, match=f"^{name} must be {expected}, got {value!r}. Correct"):
        TrainingConfig(**{name: value})


@pytest.mark.parametrize("name", [field.name for field in fields(TrainingConfig)])
def test_every_setting_refuses_a_list(name):
    if name == "log_with":  # Accelerate takes lists of trackers
        assert TrainingConfig(log_with=["tensorboard"]).log_with == ["tensorboard"]
        return
    with pytest.raises(ConfigError, match=rf"{name} must be .*, got \[\]"):
        TrainingConfig(**{name: []})


def test_numbers_of_numpy_and_paths_are_taken():
    config = TrainingConfig(epochs=np.int64(3), learning_rate=np.float32(0.1), quiet=np.True_)
    assert config.epochs == 3 and TrainingConfig(checkpoints=Path("runs")).checkpoints


@pytest.mark.parametrize(
    ("name", "meant"),
    [("lr", "learning_rate"), ("epoch", "epochs"), ("warmup_ratio", "warmup_share")],
)
def test_an_unknown_setting_is_refused_with_a_suggestion(name, meant):
    with pytest.raises(ConfigError, match=f"no setting '{name}'. Did you mean '{meant}'"):
        TrainingConfig(**{name: 1})


def test_the_signature_and_copies_of_a_config_stay_as_they_were():
    assert list(inspect.signature(TrainingConfig).parameters) == [
        f.name for f in fields(TrainingConfig)
    ]
    config = TrainingConfig(epochs=3)
    assert replace(config, epochs=4).epochs == 4
    assert pickle.loads(pickle.dumps(config)) == config == copy.deepcopy(config)
