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
    PrivateLayers,
    Task,
    TaskAdapters,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError
from nlptl.estimators.tasks.task_options import (
    check_balance,
    check_memory,
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


def test_transfers_that_would_do_something_else_with_tasks_are_refused():
    with pytest.raises(ConfigError, match="gradual=True"):
        transfers_of(FullFineTune(gradual=True))
    for shared in (PrivateLayers(), TaskAdapters()):
        with pytest.raises(ConfigError, match="one adapter for all tasks"):
            transfers_of([LoRA(), shared])


def test_layers_are_not_computed_again_with_the_adapter_of_another_task():
    adapters, again = transfers_of(TaskAdapters()), TrainingConfig(checkpoint_activations=True)
    with pytest.raises(ConfigError, match="with the adapter of the last one"):
        check_memory(adapters, again, Mixing(mixed=True))
    check_memory(adapters, again, Mixing())
    check_memory(adapters, None, Mixing(mixed=True))
    check_memory(transfers_of(FullFineTune()), again, Mixing(mixed=True))
