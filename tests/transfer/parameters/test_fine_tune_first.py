import pytest

from nlptl import ContinuedPretraining, Contrastive, CoTraining, FineTuneFirst, Frozen, FullFineTune
from nlptl.base.errors import ConfigError
from nlptl.fitting.transfers import as_transfers


def test_it_comes_before_transfers_for_frozen_features():
    transfers = as_transfers([ContinuedPretraining(), FineTuneFirst(), CoTraining()])
    assert transfers.pretraining == (ContinuedPretraining(), FineTuneFirst())
    assert transfers.main == Frozen() and not transfers.tunes


@pytest.mark.parametrize("other", [FullFineTune(), Contrastive(), FineTuneFirst(adapter=True)])
def test_another_tuning_of_the_encoder_is_refused(other):
    with pytest.raises(ConfigError, match="would tune it again"):
        as_transfers([FineTuneFirst(), other])
