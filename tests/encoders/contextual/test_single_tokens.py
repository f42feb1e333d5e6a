from dataclasses import replace

import numpy as np
import pytest

from nlptl.encoders.contextual import single_tokens
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.forward import hidden_means
from nlptl.encoders.contextual.single_tokens import TOKENS_PER_SEQUENCE, TokenPacking
from tests.conftest import FAMILIES, make_encoder

SAMPLES = [5, 9, 12]
WITHOUT = {"deberta-v2", "mpnet"}
"""Families whose attention reads the distance of two tokens in the sequence."""


def loaded(folder):
    return load_encoder(find_encoder(str(folder)), dtype="float32", device="cpu")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_packed_if_its_positions_can_be_set(family, tmp_path):
    encoder = loaded(make_encoder(tmp_path / "encoder", family=family))
    packing = TokenPacking.of(encoder, SAMPLES)
    assert (packing is None) == (family in WITHOUT)
    if packing is not None:
        alone = np.concatenate([packing.means([token], (0, -1)) for token in SAMPLES])
        np.testing.assert_allclose(packing.means(SAMPLES, (0, -1)), alone, atol=1e-5)


def test_tokens_of_several_blocks_keep_their_order(tiny_encoder):
    packing = TokenPacking.of(loaded(tiny_encoder), SAMPLES)
    ids = list(np.random.default_rng(0).integers(5, 40, 3 * TOKENS_PER_SEQUENCE + 7))
    vectors = packing.means(ids, (0, 1, -1))
    assert vectors.shape == (len(ids), 3, 32)
    of_token = {token: packing.means([token], (0, 1, -1))[0] for token in set(ids)}
    np.testing.assert_allclose(vectors, [of_token[token] for token in ids], atol=1e-5)


def test_the_embeddings_are_those_of_one_sequence_per_token(tiny_encoder):
    encoder = loaded(tiny_encoder)
    packed = TokenPacking.of(encoder, SAMPLES).means(SAMPLES, (0,))
    exact = hidden_means(encoder, [encoder.framed([token]) for token in SAMPLES], (0,))
    np.testing.assert_allclose(packed, exact, atol=1e-5)


def test_an_encoder_that_ignores_the_mask_is_not_packed(tiny_encoder, monkeypatch):
    import torch

    original = single_tokens.encode_batch

    def without_mask(model, inputs, **options):
        shape = inputs["input_ids"].shape
        return original(model, {**inputs, "attention_mask": torch.ones(shape)}, **options)

    monkeypatch.setattr(single_tokens, "encode_batch", without_mask)
    assert TokenPacking.of(loaded(tiny_encoder), SAMPLES) is None


def test_a_decoder_that_does_not_see_the_tokens_behind_is_not_packed(tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    folder = make_encoder(tmp_path / "decoder", family="qwen3", **sizes, **heads)
    assert TokenPacking.of(loaded(folder), SAMPLES) is None


def test_a_dense_layer_after_the_pooling_is_used(tiny_encoder):
    import torch

    encoder = loaded(tiny_encoder)
    dense = torch.nn.Linear(32, 5)
    with_dense = replace(encoder, dense=dense)
    plain = TokenPacking.of(encoder, SAMPLES).means(SAMPLES, (-1,))
    expected = dense(torch.from_numpy(plain)).detach().numpy()
    vectors = TokenPacking.of(with_dense, SAMPLES).means(SAMPLES, (-1,))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_positions_beyond_those_of_the_encoder_are_not_tried(tiny_encoder, monkeypatch):
    encoder = loaded(tiny_encoder)
    monkeypatch.setattr(encoder.model.config, "pad_token_id", 63)  # there are 64 positions
    tried = []

    def refusing(packing, _):
        tried.append(packing.first_position)
        return False

    monkeypatch.setattr(TokenPacking, "agrees", refusing)
    assert TokenPacking.of(encoder, SAMPLES) is None
    assert tried == [0]
