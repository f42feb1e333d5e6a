import pytest
import torch

from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.networks import attention
from nlptl.training.networks.attention import attending_by_products, products


def test_every_family_attends_as_before(any_encoder):
    model = read_encoder(find_encoder(any_encoder), "float32", "cpu").model
    ids = torch.randint(5, 20, (5, 9), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(9) < torch.tensor([[9], [4], [7], [9], [2]])).long()
    usual = model.config._attn_implementation
    with torch.inference_mode():
        for given in (None, mask):
            wanted = model(input_ids=ids, attention_mask=given).last_hidden_state
            with attending_by_products(model, "cpu"):
                found = model(input_ids=ids, attention_mask=given).last_hidden_state
            real = slice(None) if given is None else mask.bool()
            torch.testing.assert_close(found[real], wanted[real], rtol=1e-4, atol=1e-5)
    assert model.config._attn_implementation == usual


def test_parts_of_a_batch_give_the_whole(monkeypatch):
    query, key, value = torch.randn(3, 5, 2, 7, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(5, 1, 7, 7).masked_fill_(torch.rand(5, 1, 7, 7) < 0.2, -1e9)
    wanted = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask)
    for numbers in (2 * 49, 4 * 49, 10**6):
        monkeypatch.setattr(attention, "_MAX_SCORES_AT_ONCE", numbers)
        found, _ = products(torch.nn.Module(), query, key, value, mask)
        torch.testing.assert_close(found.transpose(1, 2), wanted)


@pytest.mark.parametrize("trains", [True, False])
def test_weights_are_dropped_in_training_only(trains):
    query, key, value = torch.randn(3, 2, 2, 7, 4)
    whole, _ = products(torch.nn.Module(), query, key, value, None)
    found, _ = products(torch.nn.Module().train(trains), query, key, value, None, dropout=0.5)
    assert torch.allclose(found, whole) is not trains


def test_other_devices_keep_their_kernels(tiny_encoder):
    model = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    with attending_by_products(model, "cuda"):
        assert model.config._attn_implementation == "sdpa"
    with attending_by_products(model, "cpu"):
        assert model.config._attn_implementation == "nlptl_products"


@pytest.mark.parametrize("own", [1, 2])
def test_heads_may_share_keys_and_values(own):
    query = torch.randn(3, 4, 7, 5, generator=torch.Generator().manual_seed(0))
    key, value = torch.randn(2, 3, own, 7, 5, generator=torch.Generator().manual_seed(1))
    wanted = torch.nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    found, _ = products(torch.nn.Module(), query, key, value, None)
    torch.testing.assert_close(found.transpose(1, 2), wanted)


def test_a_model_that_bends_its_scores_keeps_its_own_attention(tiny_encoder):
    model = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    model.config.attn_logit_softcapping = 50.0
    with attending_by_products(model, "cpu"):
        assert model.config._attn_implementation == "sdpa"
