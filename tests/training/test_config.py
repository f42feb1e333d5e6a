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
