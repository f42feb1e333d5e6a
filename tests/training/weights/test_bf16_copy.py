import copy

import pytest
import torch

from nlptl.base.chance import Chance
from nlptl.base.transfer import Stage
from nlptl.training.config import LoopConfig
from nlptl.training.loop import Learner, train
from nlptl.training.processes import make_accelerator
from nlptl.training.weights.bf16_copy import Bf16Copy, with_exact_angles


def pair():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    return module, Bf16Copy(copy.deepcopy(module).to(torch.bfloat16))


def test_gradients_go_to_the_weights_that_learn_and_values_come_back():
    module, twin = pair()
    module[0].requires_grad_(False)
    twin.follow(module)
    assert [w.requires_grad for w in twin.module.parameters()] == [False, False, True, True]
    twin.module(torch.ones(5, 4, dtype=torch.bfloat16)).sum().backward()
    wanted = twin.module[1].bias.grad.float()
    twin.hand_over()
    assert torch.equal(module[1].bias.grad, wanted)
    assert module[1].weight.grad.dtype == torch.float32
    assert module[0].weight.grad is None and twin.module[1].bias.grad is None
    with torch.no_grad():
        module[1].weight.fill_(0.5)
    twin.catch_up()
    assert (twin.module[1].weight == 0.5).all()


def test_gradients_that_weights_have_themselves_are_kept():
    module, twin = pair()
    twin.follow(module)
    twin.module(torch.ones(5, 4, dtype=torch.bfloat16)).sum().backward()
    both = twin.module[1].bias.grad.float() + 2.0
    module[1].bias.grad = torch.full((2,), 2.0)
    twin.hand_over()
    assert torch.equal(module[1].bias.grad, both)


def test_running_means_are_counted_by_what_computes():
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    twin = Bf16Copy(copy.deepcopy(module))
    module[1].running_mean.fill_(5.0)
    twin.follow(module)
    assert (twin.module[1].running_mean == 5.0).all()
    twin.module.train()(torch.ones(6, 4)).sum().backward()
    twin.hand_over()
    assert torch.equal(module[1].running_mean, twin.module[1].running_mean)
    assert (module[1].running_mean != 5.0).all()
    assert int(module[1].num_batches_tracked) == 1


class Feed:
    def __len__(self):
        return 4

    def passes(self, epoch, step):
        rows = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return [(rows, (rows[:, 0] > 0).long())]


class Objective(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, batch, progress):
        rows, truth = batch
        logits = self.network(rows.to(next(self.parameters()).dtype)).float()
        return torch.nn.functional.cross_entropy(logits, truth)


@pytest.mark.parametrize("average", [None, "ema"])
def test_what_computes_in_few_digits_learns_in_many(average):
    config = LoopConfig(epochs=20, learning_rate=0.02, quiet=True, average=average)
    ends = {}
    for with_twin in (True, False):
        module, twin = pair()
        objective = Objective(module)
        learner = Learner(
            objective,
            [(Stage(), Feed())],
            twin=Bf16Copy(Objective(twin.module)) if with_twin else None,
        )
        accelerator = make_accelerator("cpu", config)
        history = train(learner, config=config, accelerator=accelerator, chance=Chance(0))
        assert history.losses[-1] < 0.5 * history.losses[0]
        ends[with_twin] = module[1].weight.detach()
    torch.testing.assert_close(ends[True], ends[False], rtol=0.1, atol=0.05)
    assert (ends[True] != ends[True].to(torch.bfloat16)).any()


def test_frequencies_of_positions_stay_exact():
    exact = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Module())
    exact[1].register_buffer("full_inv_freq", torch.tensor([0.1234567]), persistent=False)
    rounded = copy.deepcopy(exact).to(torch.bfloat16)
    assert rounded[1].full_inv_freq.float() != exact[1].full_inv_freq
    with_exact_angles(rounded, exact)
    assert torch.equal(rounded[1].full_inv_freq, exact[1].full_inv_freq)
    assert rounded[1].full_inv_freq is not exact[1].full_inv_freq
    assert rounded[0].weight.dtype == torch.bfloat16
