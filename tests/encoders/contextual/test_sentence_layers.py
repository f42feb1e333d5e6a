import json

import pytest
import torch
from safetensors.torch import save_file

from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.sentence_layers import read_layers
from nlptl.encoders.contextual.sentence_settings import Module


@pytest.fixture
def dense(tmp_path):
    described = {"in_features": 2, "out_features": 3, "activation_function": "torch.nn.ReLU"}
    (tmp_path / "config.json").write_text(json.dumps(described))
    weights = {"linear.weight": torch.ones(3, 2), "linear.bias": torch.tensor([0.0, -5.0, 1.0])}
    save_file(weights, tmp_path / "model.safetensors")
    return Module("Dense", tmp_path)


def test_layers_are_applied_in_their_order(dense):
    layers = read_layers([Module("Normalize", dense.folder), dense], "x")
    expected = torch.tensor([[1.4, 0.0, 2.4]])
    torch.testing.assert_close(layers(torch.tensor([[3.0, 4.0]])), expected)
    assert not layers.training


def test_sizes_that_the_weights_do_not_have_are_refused_and_take_no_memory(dense):
    described = {"in_features": 10**7, "out_features": 10**7}
    (dense.folder / "config.json").write_text(json.dumps(described))
    with pytest.raises(EncoderNotFoundError, match=r"Dense layer.*do not fit its config.json"):
        read_layers([dense], "x")


def test_weights_that_are_not_safetensors_are_refused(dense):
    (dense.folder / "model.safetensors").unlink()
    with pytest.raises(EncoderNotFoundError, match="whose weights are not in"):
        read_layers([dense], "x")
