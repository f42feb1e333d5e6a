import shutil

import pytest
import torch
from transformers.utils import logging

from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.loaded import read_encoder


def test_special_tokens_are_found_for_any_tokenizer(tiny_encoder):
    loaded = load_encoder(find_encoder(tiny_encoder), dtype="float32", device="cpu")
    assert loaded.framed([7, 8]) == [2, 7, 8, 3]


def test_the_model_is_ready_to_infer_and_transformers_is_left_as_it_was(tiny_encoder, capfd):
    level = logging.get_verbosity()
    loaded = read_encoder(find_encoder(tiny_encoder), "float32", "cpu")
    assert not loaded.model.training
    assert logging.get_verbosity() == level
    assert capfd.readouterr().out == ""


def test_weights_that_are_not_safetensors_are_refused(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "enc")
    (tmp_path / "enc" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "enc" / "pytorch_model.bin")
    with pytest.raises(EncoderNotFoundError, match="Only safetensors weights are read"):
        read_encoder(find_encoder(tmp_path / "enc"), "float32", "cpu")


def test_a_dense_layer_after_pooling_is_used(tiny_encoder, tmp_path):
    import json

    from safetensors.torch import save_file

    from nlptl import TransformerEncoder

    shutil.copytree(tiny_encoder, tmp_path / "enc")
    dense = tmp_path / "enc" / "2_Dense"
    dense.mkdir()
    modules = [
        {"type": "a.Transformer", "path": ""},
        {"type": "a.Pooling", "path": "1_Pooling"},
        {"type": "a.Dense", "path": "2_Dense"},
    ]
    (tmp_path / "enc" / "modules.json").write_text(json.dumps(modules))
    described = {
        "in_features": 32,
        "out_features": 5,
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    (dense / "config.json").write_text(json.dumps(described))
    weights = {"linear.weight": torch.randn(5, 32), "linear.bias": torch.randn(5)}
    save_file(weights, dense / "model.safetensors")
    plain = TransformerEncoder(tiny_encoder, cache=None, precision="float32").transform(
        ["the parcel"]
    )
    encoder = TransformerEncoder(tmp_path / "enc", cache=None, precision="float32")
    wanted = torch.tanh(
        torch.from_numpy(plain) @ weights["linear.weight"].T + weights["linear.bias"]
    )
    torch.testing.assert_close(torch.from_numpy(encoder.transform(["the parcel"])), wanted)
    assert encoder.dim == 5
