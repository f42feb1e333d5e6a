import pytest
import torch

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Context
from nlptl.transfer.parameters.anchoring import L2SP


def test_the_pull_is_half_the_squared_distance_of_what_learns():
    network = torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 2)})
    bound = L2SP(0.5).bind(Context(network, n_layers=1, seed=0))
    assert bound.reads_weights
    assert float(bound.loss({}, 0.0)) == 0.0
    with torch.no_grad():
        network.encoder.weight.add_(1.0)
        network.encoder.bias.add_(1.0)
        network.head.weight.add_(7.0)
    assert float(bound.loss({}, 0.0)) == pytest.approx(0.5 * 0.5 * 6)
    network.encoder.bias.requires_grad_(False)
    loss = bound.loss({}, 0.0)
    assert float(loss) == pytest.approx(0.5 * 0.5 * 4)
    loss.backward()
    assert network.encoder.weight.grad.flatten().tolist() == pytest.approx([0.5] * 4)


def test_no_pull_is_refused():
    with pytest.raises(ConfigError, match=r"above 0, got 0"):
        L2SP(0.0)
