import numpy as np
import pytest
import torch
from transformers import AutoConfig

from nlptl import TransformerEncoder
from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.embedding_tables import embedded_tokens, readable_positions
from nlptl.encoders.contextual.encoder_folder import find_encoder
from tests.conftest import SIZES, make_encoder

HALF = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}


@pytest.mark.parametrize(
    ("family", "settings", "expected"),
    [
        ("bert", {}, 66),
        ("roberta", {"pad_token_id": 1}, 64),
        ("data2vec-text", {"pad_token_id": 0}, 65),
        ("longformer", {"pad_token_id": 1, "attention_window": [8, 8, 8]}, 64),
        ("mpnet", {"pad_token_id": 0}, 64),
        ("gpt2", {"n_embd": 32, "n_head": 2}, 66),
        ("bart", HALF, 66),
        ("big_bird", {"block_size": 4}, 64),
    ],
)
def test_positions_are_counted_as_the_network_uses_them(family, settings, expected):
    config = AutoConfig.for_model(family, **{**SIZES, "max_position_embeddings": 66, **settings})
    assert readable_positions(config, None) == expected


def test_a_family_without_positions_has_no_limit_and_some_state_it_under_another_name():
    settings = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    assert readable_positions(AutoConfig.for_model("t5", **settings), None) is None
    led = {**HALF, "max_encoder_position_embeddings": 64, "attention_window": [8, 8]}
    assert readable_positions(AutoConfig.for_model("led", **led), None) == 64


def test_the_network_is_not_built_where_the_stated_length_is_short_and_draws_no_numbers(
    monkeypatch,
):
    config = AutoConfig.for_model("bert", **SIZES, max_position_embeddings=66)
    before = torch.get_rng_state()
    assert readable_positions(config, 66) == 66
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr("nlptl.encoders.contextual.embedding_tables._network", None)
    assert readable_positions(config, 65) == 66


@pytest.mark.parametrize("family", ["roberta", "data2vec-text"])
def test_a_text_longer_than_the_positions_is_read_in_windows(tmp_path, family):
    folder = make_encoder(tmp_path / "e", window=None, family=family, **SIZES, pad_token_id=1)
    encoder = TransformerEncoder(folder, cache=None, precision="float32", device="cpu")
    assert encoder.reader.window == 62
    long = encoder.transform(["the parcel came late " * 60])
    assert np.isfinite(long).all()


def test_a_token_without_a_vector_is_refused_in_one_line_and_padding_with_one_is_replaced(tmp_path):
    folder = make_encoder(tmp_path / "e", vocab_size=20)
    found = find_encoder(folder)
    assert found.tokenization.n_embedded == 20 == embedded_tokens(found.config)
    encoder = TransformerEncoder(folder, cache=None, precision="float32", device="cpu")
    with pytest.raises(EncoderNotFoundError, match="has vectors for token ids 0 to 19 only"):
        encoder.transform(["thank you"])
    assert encoder.transform(["a and", "and"]).shape == (2, 32)
    found.tokenizer.add_special_tokens({"pad_token": "[MORE]"})
    assert found.tokenizer.pad_token_id >= 20 > encoder.reader.padding
    assert encoder.transform(["a and", "and"]).shape == (2, 32)
