import numpy as np
import pytest

from nlptl import FullFineTune, StaticEncoder, TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.fitting.transfers import as_transfers
from nlptl.fitting.tuning_start import frozen_start

TEXTS = ["the parcel came late", "help", "cancel my contract please"]


def start_of(encoder):
    transfers = as_transfers(FullFineTune())
    return frozen_start(transfers, encoder, Rows(TEXTS), Targets(np.arange(3), 3), joint=False)


def test_the_start_is_the_vectors_of_the_frozen_encoder(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    features = start_of(encoder)
    vectors = features.transform(Rows(TEXTS))
    np.testing.assert_allclose(vectors, encoder.transform(TEXTS), atol=1e-6)


def test_encoders_without_weights_or_with_layers_after_pooling_are_refused(tiny_encoder):
    with pytest.raises(ConfigError, match=r"FullFineTune\(\) tunes a transformer, got Static"):
        start_of(StaticEncoder())
    reduced = TransformerEncoder(tiny_encoder, pooling=Pooling(dimension=2), cache=None)
    with pytest.raises(ConfigError, match="tunes no layer after pooling"):
        start_of(reduced)
