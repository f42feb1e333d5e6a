import numpy as np
import pytest
import torch

from nlptl.encoders.contextual import forward
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.forward import hidden_means, pooled_states
from nlptl.encoders.contextual.pooling import mean_over_tokens
from nlptl.encoders.contextual.windows import Windows

WINDOWS = [[2, 7, 3], [2, 8, 9, 10, 11, 3], [2, 12, 3], [2, 5, 6, 3]]


@pytest.fixture(scope="module")
def loaded(tiny_encoder):
    return load_encoder(find_encoder(tiny_encoder), dtype="float32", device="cpu")


def one_by_one(loaded, layer):
    found = []
    for window in WINDOWS:
        with torch.inference_mode():
            output = loaded.model(torch.tensor([window]), output_hidden_states=True)
        found.append(output.hidden_states[layer][0].mean(dim=0).numpy())
    return np.stack(found)


@pytest.mark.parametrize("budget", [3, 12, 1024])
def test_batches_give_what_single_texts_give_in_the_order_asked(loaded, budget, monkeypatch):
    monkeypatch.setitem(forward.TOKENS_ON_PROCESSOR, "float32", budget)
    found = hidden_means(loaded, WINDOWS, (0, 2, -1))
    for place, layer in enumerate((0, 2, 3)):
        np.testing.assert_allclose(found[:, place], one_by_one(loaded, layer), atol=1e-5)


def test_the_last_layer_alone_needs_no_other(loaded):
    sizes = np.array([len(window) for window in WINDOWS])
    windows = Windows(WINDOWS, np.arange(len(WINDOWS)), sizes)
    found = pooled_states(loaded, windows, layers=(-1,), pool=mean_over_tokens)
    np.testing.assert_allclose(found[:, 0], one_by_one(loaded, 3), atol=1e-5)


def test_no_windows_have_a_shape(loaded):
    assert hidden_means(loaded, [], (-1, 0)).shape == (0, 2, 32)
