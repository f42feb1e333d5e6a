import numpy as np
import pytest

from nlptl import (
    FusedEncoder,
    TfidfEncoder,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError
from nlptl.data.rows import as_rows
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.encoders.fused import ResidualFusion
from nlptl.fitting.plan import (
    imbalance_for,
    reads_jointly,
    token_lengths,
    with_options,
)

X = np.eye(4)
FUSED = FusedEncoder((TfidfEncoder(), TfidfEncoder()), fusion=ResidualFusion())
ONE = Targets(np.array([0, 1, 0, 1]), 2)
SEVERAL = Targets(np.eye(4, 2, dtype=np.int64), 2)


def test_tokens_are_counted_where_there_is_a_window(tiny_encoder):
    pairs = as_rows([("parcel", "the parcel came late"), ("help", "x")])
    found = token_lengths(TransformerEncoder(tiny_encoder), pairs)
    assert found["token_counts"][0] > found["token_counts"][1] >= 3
    assert token_lengths(object(), pairs) == {}


def test_rare_classes_and_several_labels(clouds):
    assert imbalance_for("balanced", SEVERAL, solver=True) is not None
    for name, solver in (("logit_adjust", True), ("balanced", False)):
        with pytest.raises(ConfigError, match="does nothing for several labels per text"):
            imbalance_for(name, SEVERAL, solver=solver)
    assert imbalance_for("balanced", SEVERAL, solver=False, tunes=True) is not None
    with pytest.raises(ConfigError, match="does nothing for several labels per text"):
        imbalance_for("logit_adjust", SEVERAL, solver=True, tunes=True)
    assert imbalance_for("logit_adjust", ONE, solver=False) is not None


def test_options_are_handed_to_transformers_only(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder)
    assert with_options(encoder, device="cpu", long_texts="cut").long_texts == "cut"
    assert with_options(encoder, device=None, long_texts="windows") is encoder
    with pytest.raises(ConfigError, match="device='cuda:77' is not available"):
        with_options(encoder, device="cuda:77", long_texts="windows")


def test_a_sentence_encoder_reads_pairs_one_by_one_and_others_jointly_once_tuned(tiny_encoder):
    sentences, plain = TransformerEncoder(), TransformerEncoder(tiny_encoder)
    assert not reads_jointly("auto", sentences, tunes=True)
    assert reads_jointly("auto", plain, tunes=True)
    assert not reads_jointly("auto", plain, tunes=False)
    assert reads_jointly("joint", sentences, tunes=False)
    assert not reads_jointly("separate", plain, tunes=True)
    stock = TransformerEncoder(pooling=Pooling(tokens="stock", normalize=False))
    assert reads_jointly("auto", stock, tunes=True)
    with pytest.raises(ConfigError, match="Did you mean 'joint'"):
        reads_jointly("jiont", plain, tunes=True)
    with pytest.raises(ConfigError, match="joint.* is for transformers, but TfidfEncoder"):
        reads_jointly("joint", TfidfEncoder(), tunes=False)
