import numpy as np
import pytest
import torch

from nlptl import Mixing
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_network import LabelledWindows
from nlptl.training.tasks.gradient_affinity import cosines, probes
from nlptl.training.tasks.task_feed import TasksFeed
from nlptl.training.tasks.task_network import TasksNetwork
from nlptl.training.tasks.task_objective import TaskLoss, TasksObjective


def windows_of(ids):
    return Windows(ids, np.arange(len(ids)), np.array([len(own) for own in ids]))


def rows_of(codes):
    ids = [[2, 5 + i % 20, 3] for i in range(len(codes))]
    return LabelledWindows(windows_of(ids), Targets(codes, 2), 0)


@pytest.fixture
def objective(tiny_encoder):
    encoder = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    torch.manual_seed(0)
    head = torch.nn.Linear(32, 2)
    heads = dict.fromkeys(("a", "same", "against"), head)
    network = TasksNetwork(
        encoder, heads, scales=dict.fromkeys(heads, 1.0), pooling=Pooling(), weights=np.ones(1)
    )
    return TasksObjective(network, {name: TaskLoss() for name in heads})


@pytest.fixture
def batches():
    codes = np.arange(80) % 2
    tasks = {"a": rows_of(codes), "same": rows_of(codes), "against": rows_of(1 - codes)}
    feed = TasksFeed(tasks, LoopConfig(), Mixing(), 0, 0, 1, "cpu")
    found = probes(feed)
    assert [len(batch.weights) for batch in found.values()] == [32] * 3
    assert probes(feed)["a"].truth.tolist() == found["a"].truth.tolist()
    return found


def test_tasks_that_want_the_same_and_the_opposite_are_told(objective, batches):
    objective.train()
    before = torch.random.get_rng_state()
    found = cosines(objective, batches)
    np.testing.assert_allclose(np.diagonal(found), 1, atol=1e-5)
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    assert found[0, 1] > 0.99 and found[0, 2] < found[0, 1] - 0.5
    assert objective.training and torch.equal(before, torch.random.get_rng_state())
    assert all(weight.grad is None for weight in objective.parameters())


def test_tasks_that_share_nothing_that_learns_are_strangers(objective, batches):
    for weight in objective.network.encoder.parameters():
        weight.requires_grad_(False)
    np.testing.assert_array_equal(cosines(objective, batches), np.eye(3))
