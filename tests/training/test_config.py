import pytest

from nlptl import TrainingConfig
from nlptl.base.errors import ConfigError


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(ConfigError, match=r"epochs must be at least 1, got 0; .*warmup_share"):
        TrainingConfig(epochs=0, warmup_share=2.0)


def test_the_defaults_keep_the_rules():
    assert TrainingConfig().epochs >= 1
