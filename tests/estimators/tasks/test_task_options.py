from types import SimpleNamespace

import pytest

from nlptl import (
    Contrastive,
    Frozen,
    FullFineTune,
    LabelMeaning,
    LoRA,
    Mixing,
    MultiTaskModel,
    Task,
)
from nlptl.base.errors import ConfigError
from nlptl.estimators.tasks.task_options import (
    check_balance,
    check_metric,
    mixing_of,
    options_of,
    transfers_of,
)


@pytest.mark.parametrize(
    "transfer", [None, Frozen(), Contrastive(), [FullFineTune(), LabelMeaning({"a": "b"})]]
)
def test_the_encoder_has_to_learn_with_the_heads(transfer):
    with pytest.raises(ConfigError, match="share an encoder"):
        transfers_of(transfer)
    assert transfers_of(LoRA()).tunes


def test_a_model_without_a_transfer_trains_all_weights():
    options = options_of(MultiTaskModel({"a": Task()}, seed=3))
    assert options["transfer"] == FullFineTune() and options["seed"] == 3
    assert options_of(MultiTaskModel({"a": Task()}, transfer=LoRA()))["transfer"] == LoRA()


def test_gradients_are_compared_on_mixed_batches():
    mixing = Mixing(temperature=2.0)
    assert mixing_of(SimpleNamespace(mixing=mixing, balance="sum")) == mixing
    assert mixing_of(SimpleNamespace(mixing=None, balance="pcgrad")).mixed


def test_names_that_are_not_known_are_refused_with_the_nearest():
    check_balance("pcgrad")
    with pytest.raises(ConfigError, match="Did you mean 'pcgrad'"):
        check_balance("pcgard")
    check_metric(Task("regression", metric="pearson"))
    with pytest.raises(ConfigError, match="Did you mean 'pearson'"):
        check_metric(Task("regression", metric="person"))
