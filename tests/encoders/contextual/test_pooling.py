import numpy as np
import pytest
import torch

from nlptl.base.errors import ConfigError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.pooling import (
    TOKEN_POOLINGS,
    join_layers,
    join_windows,
    strongest_directions,
    with_fixed_signs,
)

STATES = torch.tensor([[[2.0, 1.0], [4.0, 5.0], [9.0, 9.0]], [[1.0, 1.0], [3.0, 0.0], [2.0, 2.0]]])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("mean", [[3, 3], [2, 1]]), ("cls", [[2, 1], [1, 1]]), ("max", [[4, 5], [3, 2]])],
)
def test_only_real_tokens_are_pooled(name, wanted):
    np.testing.assert_allclose(TOKEN_POOLINGS[name](STATES, MASK).numpy(), wanted)


def test_half_precision_is_pooled_in_full():
    states = torch.full((1, 1000, 1), 1.001, dtype=torch.bfloat16)
    pooled = TOKEN_POOLINGS["mean"](states, torch.ones(1, 1000))
    assert pooled.dtype == torch.float32
    assert pooled.item() == pytest.approx(float(states[0, 0, 0]), abs=1e-5)


def test_windows_are_weighed_by_their_tokens():
    vectors = np.array([[[1.0]], [[4.0]], [[10.0]]], dtype=np.float32)
    owner, sizes = np.array([0, 0, 1]), np.array([2, 1, 5])
    np.testing.assert_allclose(join_windows(vectors, owner, sizes, largest=False), [[[2]], [[10]]])
    np.testing.assert_allclose(join_windows(vectors, owner, sizes, largest=True), [[[4]], [[10]]])
    assert join_windows(vectors, np.arange(3), sizes, largest=False) is vectors


def test_layers_stand_side_by_side_or_are_averaged():
    vectors = np.array([[[3.0, 4.0], [0.0, 2.0]]])
    side = join_layers(vectors, Pooling(layers=(0, 1)))
    np.testing.assert_allclose(side, [[0.6, 0.8, 0, 1]])
    mean = join_layers(vectors, Pooling(layers=(0, 1), join="mean", normalize=False))
    np.testing.assert_allclose(mean, [[1.5, 3]])


def test_strongest_directions_span_what_there_is():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 9))
    axes = strongest_directions(vectors, 2)
    np.testing.assert_allclose(vectors @ axes @ axes.T, vectors, atol=1e-4)
    np.testing.assert_allclose(with_fixed_signs(-axes), axes, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": "men"}, "Did you mean 'mean'"),
        ({"join": "sum"}, "join='sum' is not known"),
        ({"layers": ()}, "at least one layer"),
        ({"dimension": 0}, "dimension=0"),
    ],
)
def test_nonsense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        Pooling(**options)
