import torch

from nlptl.base.chance import torch_seed


def test_the_same_seed_draws_the_same_numbers():
    with torch_seed(3):
        first = torch.rand(4)
    with torch_seed(3):
        assert torch.equal(first, torch.rand(4))


def test_the_generator_of_the_user_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with torch_seed(99):
        torch.rand(100)
    assert torch.equal(expected, torch.rand(3))
