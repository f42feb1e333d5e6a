import pytest
import torch

from nlptl.training.tasks.loss_balance import Uncertainty, without_conflict


class Shared(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        self.first = torch.nn.Parameter(torch.tensor(1.0))
        self.second = torch.nn.Parameter(torch.tensor(1.0))
        self.unused = torch.nn.Parameter(torch.tensor(1.0))


def gradients(network, losses):
    network.zero_grad()
    loss = without_conflict(losses, network)
    loss.backward()
    return loss


def test_gradients_that_agree_are_summed_as_they_are():
    network = Shared()
    a, b = network.shared
    losses = [a * network.first + b, a + b * network.second]
    loss = gradients(network, losses)
    assert loss.item() == pytest.approx(6)
    assert network.shared.grad.tolist() == [2, 2]
    assert network.first.grad.item() == 1 and network.second.grad.item() == 2
    assert network.unused.grad is None


def test_what_works_against_another_task_is_left_out():
    network = Shared()
    a, b = network.shared
    # Gradients (1, 0) and (-1, 1): each loses its part along the other.
    gradients(network, [a * network.first, (b - a) * network.second])
    first, second = torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0])
    assert network.shared.grad.tolist() == pytest.approx((first + second).tolist())
    assert network.first.grad.item() == 1 and network.second.grad.item() == 1


def test_three_tasks_are_projected_one_after_the_other():
    network = Shared()
    a, b = network.shared
    losses = [a, -a + 0 * b, -a - b]
    gradients(network, losses)
    assert torch.isfinite(network.shared.grad).all()
    assert network.shared.grad[1] <= 0


def test_a_noisy_task_comes_to_count_less():
    learnt = Uncertainty(2)
    optimizer = torch.optim.SGD([learnt.logs], lr=0.1)
    for _ in range(500):
        optimizer.zero_grad()
        (learnt(0, torch.tensor(4.0)) + learnt(1, torch.tensor(0.25))).backward()
        optimizer.step()
    weights = (-learnt.logs).exp().tolist()
    assert weights == pytest.approx([1 / 8, 2.0], rel=0.05)


def test_the_passes_of_a_step_have_the_loss_of_the_step():
    weigh = Uncertainty(1)
    with torch.no_grad():
        weigh.logs.fill_(0.7)
    passes = sum(weigh(0, torch.tensor(0.5), share) for share in (0.25, 0.75))
    assert torch.isclose(passes, weigh(0, torch.tensor(1.0)))
