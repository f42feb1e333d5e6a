import pytest
import torch

from nlptl import MLPHead
from nlptl.base.errors import ConfigError


def test_the_network_has_the_layers_asked_for():
    built = MLPHead(hidden=(5, 3), dropout=0.1).build(7, 2)
    assert built(torch.randn(4, 7)).shape == (4, 2)
    kinds = [type(layer).__name__ for layer in built]
    assert kinds.count("BatchNorm1d") == kinds.count("Dropout") == 2
    assert "BatchNorm1d" not in str(MLPHead(batch_norm=False).build(7, 2))


def test_without_hidden_layers_it_is_linear():
    assert [type(layer).__name__ for layer in MLPHead(hidden=()).build(7, 2)] == ["Linear"]


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match=r"hidden=\(0,\)"):
        MLPHead(hidden=(0,))
