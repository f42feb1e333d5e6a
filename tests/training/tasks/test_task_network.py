import numpy as np
import pytest
import torch

from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.tasks.task_network import TasksNetwork


class Told(torch.nn.Linear):
    """A layer that remembers whose turn it is."""

    def choose_task(self, place):
        self.place = place


@pytest.fixture
def network(tiny_encoder):
    encoder = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    encoder.add_module("told", Told(1, 1))
    heads = {"a.b": torch.nn.Linear(32, 3), "": torch.nn.Linear(32, 1)}
    scales = {"a.b": 1.0, "": 0.5}
    return TasksNetwork(encoder, heads, scales=scales, pooling=Pooling(), weights=np.ones(1)).eval()


def inputs():
    return {"input_ids": torch.tensor([[2, 5, 3]]), "attention_mask": torch.ones(1, 3).long()}


def test_each_task_has_its_head_and_scale(network):
    features = network.features(inputs())
    torch.testing.assert_close(network.logits("a.b", features), network.head[0](features))
    torch.testing.assert_close(network.logits("", features), network.head[1](features / 2))
    assert network.logits("a.b", features).shape == (1, 3)


def test_the_view_of_a_task_answers_as_the_whole_does_and_shares_its_weights(network):
    features = network.features(inputs())
    for task in ("a.b", ""):
        own = network.of(task)
        torch.testing.assert_close(own(inputs()), network.logits(task, features))
        assert own.encoder is network.encoder and own.training is False
    assert network.train().of("").training is True


def test_parts_of_the_encoder_are_told_whose_turn_it_is(network):
    network.choose("")
    assert network.encoder.told.place == 1
    network.of("a.b")
    assert network.encoder.told.place == 0


def test_a_task_with_an_encoder_of_its_own_is_read_by_it(network, tiny_encoder):
    other = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    network.apart[1] = (other, None)
    assert network.of("").encoder is other and network.of("a.b").encoder is network.encoder
