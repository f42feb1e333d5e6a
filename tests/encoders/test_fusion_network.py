import torch

from nlptl.encoders.fusion_network import ResidualNetwork


def test_groups_of_any_size_become_one_vector():
    network = ResidualNetwork([3, 5], width=7, dropout=0.5).eval()
    features = torch.randn(4, 8)
    assert network(features).shape == (4, 7)


def test_every_group_has_a_say_and_learns():
    network = ResidualNetwork([3, 5], width=7, dropout=0.0)
    features = torch.randn(4, 8, requires_grad=True)
    network(features).square().sum().backward()
    assert (features.grad[:, :3].abs().sum() > 0) and (features.grad[:, 3:].abs().sum() > 0)
    assert all(weight.grad is not None for weight in network.parameters())
