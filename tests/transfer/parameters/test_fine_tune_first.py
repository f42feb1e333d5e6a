import pytest

from nlptl import ContinuedPretraining, Contrastive, CoTraining, FineTuneFirst, Frozen, FullFineTune
from nlptl.base.errors import ConfigError
from nlptl.fitting.transfers import as_transfers


def test_it_comes_before_transfers_for_frozen_features():
    transfers = as_transfers([ContinuedPretraining(), FineTuneFirst(), CoTraining()])
    assert transfers.pretraining == (ContinuedPretraining(), FineTuneFirst())
    assert transfers.main == Frozen() and not transfers.tunes


@pytest.mark.parametrize(
    "other", [FullFineTune(), Contrastive(), FineTuneFirst(adapter=True), ContinuedPretraining()]
)
def test_another_training_of_the_encoder_afterwards_is_refused(other):
    name = type(other).__name__
    with pytest.raises(ConfigError, match=rf"{name}\(\) would train it again"):
        as_transfers([FineTuneFirst(), other])


def test_the_adapter_is_a_switch():
    with pytest.raises(ConfigError, match="adapter must be True or False"):
        FineTuneFirst(adapter="lora")
