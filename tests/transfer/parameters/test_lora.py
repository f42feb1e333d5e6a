import pytest
import torch

from nlptl import LoRA
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Context
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder


class Network(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.encoder = read_encoder(find_encoder(folder), "float32", "cpu").model
        self.head = torch.nn.Linear(32, 2)


def bound(folder, transfer):
    network = Network(folder)
    return network, transfer.bind(Context(network, n_layers=3, seed=0))


def test_every_linear_layer_that_is_used_gets_an_adapter(tiny_encoder):
    network, found = bound(tiny_encoder, LoRA(rank=3))
    learning = [n for n, w in network.named_parameters() if w.requires_grad]
    layers = {n.rpartition(".lora_")[0] for n in learning if "lora_" in n}
    assert len(layers) == 3 * 6
    assert set(learning) - {n for n in learning if "lora_" in n} == {"head.weight", "head.bias"}
    assert not any("pooler" in n for n in layers)
    adapter, head = found.weight_groups(learning)
    assert all("lora_" in name for name in adapter.names) and adapter.rate == 10.0
    assert set(head.names) == {"head.weight", "head.bias"} and head.rate == 1.0


def test_the_scale_is_two_unless_said(tiny_encoder):
    for transfer, scale in ((LoRA(4), 2.0), (LoRA(4, alpha=4), 1.0), (LoRA(4, rslora=True), 2.0)):
        network, _ = bound(tiny_encoder, transfer)
        layer = network.encoder.encoder.layer[0].attention.self.query
        assert layer.scaling["default"] == scale


def test_finishing_merges_and_keeps_a_copy_where_asked(tiny_encoder):
    for merge in (True, False):
        _, found = bound(tiny_encoder, LoRA(merge=merge))
        result = found.finish()
        assert not any("lora" in name for name in result.encoder.state_dict())
        assert result.merged is merge and result.adapter.arrays


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, "at least 1, got 0"),
        ({"dropout": 1.0}, "below 1, got 1.0"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"features": "tip"}, "Did you mean 'top'"),
    ],
)
def test_nonsense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        LoRA(**options)
