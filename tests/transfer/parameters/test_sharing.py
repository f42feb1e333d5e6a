import numpy as np
import pytest
import torch

from nlptl import PrivateLayers, TaskAdapters
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, WeightGroup
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.tasks.task_network import TasksNetwork


def bound(folder, transfer, n_tasks=2):
    encoder = read_encoder(find_encoder(folder), "float32", "cpu").model
    heads = {str(i): torch.nn.Linear(32, 2) for i in range(n_tasks)}
    scales = dict.fromkeys(heads, 1.0)
    network = TasksNetwork(encoder, heads, scales=scales, pooling=Pooling(), weights=np.ones(1))
    context = Context(network, n_layers=3, seed=0, n_tasks=n_tasks)
    return network.eval(), transfer.bind(context)


def inputs():
    return {"input_ids": torch.tensor([[2, 5, 3]]), "attention_mask": torch.ones(1, 3).long()}


def learning(network, task):
    """Name the weights of the encoder that a pass of a task gives gradients to."""
    network.zero_grad()
    network.choose(task)
    network.features(inputs()).square()[:, :3].sum().backward()
    return {n for n, w in network.encoder.named_parameters() if w.grad is not None}


@pytest.mark.parametrize(
    "transfer", [PrivateLayers(1), TaskAdapters(2)], ids=["layers", "adapters"]
)
def test_tasks_begin_alike_learn_apart_and_end_with_encoders_of_their_own(tiny_encoder, transfer):
    network, found = bound(tiny_encoder, transfer)
    first, second = learning(network, "0"), learning(network, "1")
    shared = first & second
    assert shared and first - shared and second - shared
    said = []
    for task in ("0", "1"):
        network.choose(task)
        said.append(network.features(inputs()).detach())
    torch.testing.assert_close(*said)
    with torch.no_grad():  # the second task learns
        for name, weight in network.encoder.named_parameters():
            if name in second - first:
                weight.add_(0.3 * torch.randn_like(weight))
    changed = []
    for task in ("0", "1"):
        network.choose(task)
        changed.append(network.features(inputs()).detach())
    torch.testing.assert_close(changed[0], said[0])
    assert (changed[1] - said[1]).abs().max() > 1e-3
    network.take(found.finish())
    for task, wanted in zip(("0", "1"), changed, strict=True):
        own = network.of(task).eval()
        torch.testing.assert_close(own.features(inputs()).detach(), wanted, atol=1e-5, rtol=1e-4)
        assert not any("parts" in n or "lora" in n for n, _ in own.encoder.named_parameters())


def test_only_the_last_layers_are_private(tiny_encoder):
    network, _ = bound(tiny_encoder, PrivateLayers(2))
    first, second = learning(network, "0"), learning(network, "1")
    layers = {n.split(".")[2] for n in (first ^ second)}
    assert layers == {"1", "2"}


@pytest.mark.parametrize(("base", "learns"), [("trained", True), ("frozen", False)])
def test_the_base_learns_beside_adapters_or_stays(tiny_encoder, base, learns):
    network, found = bound(tiny_encoder, TaskAdapters(2, base))
    names = learning(network, "1")
    assert any("lora_" in name for name in names)
    assert any("lora_" not in name for name in names) == learns
    assert not any(".task0." in name for name in names)
    every = [n for n, w in network.encoder.named_parameters() if w.requires_grad and "lora_" in n]
    assert any(".task0." in n for n in every) and any(".task1." in n for n in every)
    groups = found.weight_groups(["encoder.x.lora_A.task0.weight", "encoder.x.weight"])
    assert groups == [
        WeightGroup(["encoder.x.lora_A.task0.weight"], 10.0),
        WeightGroup(["encoder.x.weight"], 1.0),
    ]


def test_layers_that_start_at_random_learn_even_in_a_frozen_base(tiny_encoder):
    encoder = read_encoder(find_encoder(tiny_encoder), "float32", "cpu", stock=True).model
    encoder.fresh_modules = ("bert",) if hasattr(encoder, "bert") else encoder.fresh_modules
    heads = {"a": torch.nn.Linear(32, 2), "b": torch.nn.Linear(32, 2)}
    scales = dict.fromkeys(heads, 1.0)
    pooling = Pooling(tokens="stock", normalize=False)
    network = TasksNetwork(encoder, heads, scales=scales, pooling=pooling, weights=np.ones(1))
    TaskAdapters(2, "frozen").bind(Context(network, n_layers=3, seed=0, n_tasks=2))
    learns = [n for n, w in encoder.named_parameters() if w.requires_grad and "lora_" not in n]
    assert learns and all(name.startswith(encoder.fresh_modules) for name in learns)


@pytest.mark.parametrize("transfer", [PrivateLayers(1), TaskAdapters(2)])
def test_with_one_task_there_is_nothing_to_divide(tiny_encoder, transfer):
    network, found = bound(tiny_encoder, transfer, n_tasks=1)
    assert type(found) is BoundTransfer
    assert not any("lora" in n or "parts" in n for n, _ in network.named_parameters())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PrivateLayers(0), "layers must"),
        (lambda: TaskAdapters(0), "rank"),
        (lambda: TaskAdapters(rate=0), "rate"),
        (lambda: TaskAdapters(base="cold"), "cold"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_more_layers_than_there_are_are_refused(tiny_encoder):
    with pytest.raises(ConfigError, match="needs an encoder with 4 layers, got .* with 3"):
        bound(tiny_encoder, PrivateLayers(4))
