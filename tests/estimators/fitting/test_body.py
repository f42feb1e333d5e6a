import numpy as np
import pytest
import torch

from nlptl import FullFineTune, LoRA, TransformerEncoder
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.estimators.fitting.body import Body
from nlptl.estimators.fitting.scoring import FitPlan
from nlptl.estimators.fitting.transfers import as_transfers
from nlptl.training.config import LoopConfig
from nlptl.transfer.features.frozen import FrozenFeatures

TEXTS = ["the parcel came late", "help", "cancel my contract please"]


@pytest.fixture
def body(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, pooling=Pooling(), dtype="float32", cache=None)
    plan = FitPlan(LoopConfig(), None, 0, "cpu")
    return Body(as_transfers(FullFineTune()), FrozenFeatures(encoder, np.ones(1)), plan)


def test_a_network_gives_the_features_of_the_encoder_and_back(body):
    seen = body.windows(TEXTS, Targets(np.arange(3), 3))
    head = torch.nn.Linear(32, 3)
    network, bound = body.network(head, seen.windows, 0, scale=1.0)
    assert len(bound) == 1 and len(seen) == 3
    features = network.eval().features(seen.inputs(np.arange(3), "cpu")).detach().numpy()
    wanted = body.start.transform(Rows(TEXTS))
    np.testing.assert_allclose(features, wanted, atol=1e-5)
    again = body.features(network)
    np.testing.assert_allclose(again.transform(Rows(TEXTS)), wanted, atol=1e-5)
    assert all(weight.requires_grad for weight in again.encoder.weights.model.parameters())


def test_pairs_are_read_one_by_one_unless_they_are_joint(body):
    pairs = [("the parcel", "came late"), ("help", "please")]
    assert body.windows(pairs, None).sides == 2
    joint = Body(body.transfers, FrozenFeatures(body.encoder, np.ones(1), joint=True), body.plan)
    assert joint.windows(pairs, None).sides == 1


def test_settings_tell_fits_apart(body):
    seen = body.windows(TEXTS, Targets(np.arange(3), 3))
    other = body.windows(TEXTS[:2], Targets(np.arange(2), 3))
    own = body.settings(seen, LoopConfig())
    assert own == body.settings(seen, LoopConfig(quiet=True, save_steps=3))
    assert own != body.settings(other, LoopConfig())
    assert own != body.settings(seen, LoopConfig(epochs=3))
    lora = Body(as_transfers(LoRA()), body.start, body.plan)
    assert own != lora.settings(seen, LoopConfig())
