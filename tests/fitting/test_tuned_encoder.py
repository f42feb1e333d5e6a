from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from nlptl import L2SP, FullFineTune, LoRA, PrivateLayers, TransformerEncoder
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.transfers import as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_network import TextNetwork
from nlptl.transfer.features.frozen import TextFeatures

TEXTS = ["the parcel came late", "help", "cancel my contract please"]


@pytest.fixture
def body(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, pooling=Pooling(), precision="float32", cache=None)
    plan = TrainingPlan(LoopConfig(), None, 0, "cpu")
    return TunedEncoder(as_transfers(FullFineTune()), TextFeatures(encoder, np.ones(1)), plan)


def test_a_network_gives_the_features_of_the_encoder_and_back(body):
    seen = body.windows(TEXTS, Targets(np.arange(3), 3))
    head = torch.nn.Linear(32, 3)
    network, bound = body.network(partial(TextNetwork, head=head, scale=1.0), seen.windows.ids, 0)
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
    joint = TunedEncoder(
        body.transfers, TextFeatures(body.encoder, np.ones(1), joint=True), body.plan
    )
    assert joint.windows(pairs, None).sides == 1


@pytest.mark.parametrize("transfer", [FullFineTune(), LoRA(rank=2)], ids=["full", "lora"])
def test_two_trainings_are_averaged_and_an_adapter_says_all_of_the_first(body, transfer):
    tuned = TunedEncoder(as_transfers(transfer), body.start, body.plan)
    seen = tuned.windows(TEXTS, Targets(np.arange(3), 3))
    both = []
    for seed in range(2):
        torch.manual_seed(seed)
        network, bound = tuned.network(
            partial(TextNetwork, head=torch.nn.Linear(32, 3), scale=1.0), seen.windows.ids, 0
        )
        with torch.no_grad():
            for weight in network.encoder.parameters():
                if weight.requires_grad:
                    weight.add_(0.1 * torch.randn_like(weight))
        network.take(bound[0].finish())
        both.append(network)
    name = "encoder.layer.0.attention.self.query.weight"
    second, first = (network.encoder.state_dict()[name].clone() for network in both)
    kept = tuned.spared(both[1])
    assert (kept.encoder is None) is isinstance(transfer, LoRA)
    tuned.average(both[0], kept, 0.25)
    found = both[0].encoder.state_dict()[name]
    torch.testing.assert_close(found, 0.75 * second + 0.25 * first)
    assert not torch.allclose(first, second, atol=1e-3)


def test_settings_tell_fits_apart(body):
    seen = body.windows(TEXTS, Targets(np.arange(3), 3))
    other = body.windows(TEXTS[:2], Targets(np.arange(2), 3))
    own = body.settings(seen, LoopConfig())
    assert own == body.settings(seen, LoopConfig(quiet=True, save_steps=3))
    assert own != body.settings(other, LoopConfig())
    assert own != body.settings(seen, LoopConfig(epochs=3))
    lora = TunedEncoder(as_transfers(LoRA()), body.start, body.plan)
    assert own != lora.settings(seen, LoopConfig())


def test_a_penalty_on_the_distance_sees_the_weights_of_all_other_transfers(body):
    transfers = as_transfers([FullFineTune(), L2SP(), PrivateLayers(layers=1)])
    seen = body.windows(TEXTS, Targets(np.arange(3), 3))
    make = partial(TextNetwork, head=torch.nn.Linear(32, 3), scale=1.0)
    network, bound = replace(body, transfers=transfers).network(make, seen.windows.ids, 0)
    penalty = next(part for part in bound if hasattr(part, "anchored"))
    assert len(penalty.anchored) == len(list(network.encoder.parameters()))
