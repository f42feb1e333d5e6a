import pytest
import torch

from nlptl.base.chance import torch_seed
from nlptl.training.networks.dropout import LaneDropout, with_lanes


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_asked_for_is_dropped_and_the_mean_stays(p, dtype):
    with torch_seed(0):
        found = LaneDropout(p).train()(torch.ones(500, 401, dtype=dtype)).float()
    assert float((found == 0).float().mean()) == pytest.approx(p, abs=0.003)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.01)
    assert len(found.unique()) == 2


def test_what_is_dropped_has_no_gradient_and_follows_the_seed():
    values = torch.ones(33, requires_grad=True)
    with torch_seed(1):
        found = LaneDropout(0.3).train()(values)
    found.sum().backward()
    assert torch.equal(values.grad, found.detach())
    with torch_seed(1):
        assert torch.equal(LaneDropout(0.3).train()(values), found)
        assert not torch.equal(LaneDropout(0.3).train()(values), found)


def test_neighbours_are_dropped_independently():
    with torch_seed(0):
        found = LaneDropout(0.5).train()(torch.ones(4000, 8))
    table = torch.corrcoef((found > 0).float().T)
    assert float((table - torch.eye(8)).abs().max()) < 0.06


def test_nothing_is_dropped_outside_training():
    values = torch.randn(7)
    assert torch.equal(LaneDropout(0.5).eval()(values), values)
    assert torch.equal(LaneDropout(0.0).train()(values), values)


def test_dropout_of_a_model_is_replaced_wherever_it_is():
    inner = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.2))
    model = torch.nn.Sequential(inner, torch.nn.Dropout(0.0), torch.nn.Dropout(0.1))
    with_lanes(model)
    assert [type(m).__name__ for m in (model[0][1], model[1], model[2])] == [
        "LaneDropout",
        "Dropout",
        "LaneDropout",
    ]
    assert model[0][1].p == 0.2
