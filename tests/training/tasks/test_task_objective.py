import numpy as np
import pytest
import torch

from nlptl.base.transfer import BoundTransfer
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.losses import row_losses
from nlptl.training.networks.text_network import Batch
from nlptl.training.tasks.task_network import TasksNetwork
from nlptl.training.tasks.task_objective import TaskLoss, TasksObjective


@pytest.fixture
def network(tiny_encoder):
    encoder = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    heads = {"a": torch.nn.Linear(32, 3), "b": torch.nn.Linear(32, 1)}
    scales = dict.fromkeys(heads, 1.0)
    return TasksNetwork(encoder, heads, scales=scales, pooling=Pooling(), weights=np.ones(1)).eval()


def batch(truth, weights=(0.5, 0.5)):
    ids = torch.tensor([[2, 5, 3], [2, 9, 3]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return Batch([given], truth, torch.tensor(weights))


BOTH = {"a": batch(torch.tensor([0, 2])), "b": batch(torch.tensor([0.5, -1.0]))}


def alone(network, name):
    own = network.of(name)
    logits = torch.cat([own(part) for part in BOTH[name].inputs])
    return row_losses(logits, BOTH[name].truth).mean().item()


def test_losses_are_summed_each_by_its_scale_and_weight(network):
    tasks = {"a": TaskLoss(scale=2.0), "b": TaskLoss(weight=3.0)}
    objective = TasksObjective(network, tasks)
    wanted = alone(network, "a") / 2 + 3 * alone(network, "b")
    assert objective((BOTH, 1.0), 0.0).item() == pytest.approx(wanted, rel=1e-5)
    only = {"b": BOTH["b"]}
    assert objective((only, 1.0), 0.0).item() == pytest.approx(3 * alone(network, "b"), rel=1e-5)


def test_a_pass_without_a_task_leaves_its_head_alone(network):
    objective = TasksObjective(network, {"a": TaskLoss(), "b": TaskLoss()})
    objective(({"b": BOTH["b"]}, 1.0), 0.0).backward()
    assert network.head[0].weight.grad is None
    assert network.head[1].weight.grad.abs().sum() > 0


def test_without_conflict_the_loss_is_the_same_and_heads_learn_as_before(network):
    tasks = {"a": TaskLoss(), "b": TaskLoss()}
    found = {}
    for balance in ("sum", "pcgrad"):
        network.zero_grad()
        loss = TasksObjective(network, tasks, balance=balance)((BOTH, 1.0), 0.0)
        loss.backward()
        found[balance] = loss.item(), network.head[0].weight.grad.clone()
    assert found["sum"][0] == pytest.approx(found["pcgrad"][0], rel=1e-5)
    torch.testing.assert_close(found["sum"][1], found["pcgrad"][1], rtol=1e-4, atol=1e-6)


def test_weights_of_losses_learn_with_the_network(network):
    objective = TasksObjective(network, {"a": TaskLoss(), "b": TaskLoss()}, balance="uncertainty")
    names = [name for name, _ in objective.named_parameters()]
    assert "network.extras.balance.logs" in names
    objective((BOTH, 1.0), 0.0).backward()
    assert network.extras["balance"].logs.grad.abs().min() > 0
    again = objective.on(network)
    assert again.network.extras["balance"] is network.extras["balance"]


def test_what_a_transfer_adds_counts_by_the_share_of_the_pass(network):
    class Adds(BoundTransfer):
        def loss(self, outputs, progress):
            assert set(outputs) == {"a", "b"}
            return torch.tensor(2.0 + progress)

    tasks = {"a": TaskLoss(), "b": TaskLoss()}
    plain = TasksObjective(network, tasks)((BOTH, 0.5), 0.5).item()
    more = TasksObjective(network, tasks, [Adds()])((BOTH, 0.5), 0.5).item()
    assert more - plain == pytest.approx(1.25, rel=1e-4)
