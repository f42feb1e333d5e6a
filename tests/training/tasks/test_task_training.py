import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from nlptl import Mixing
from nlptl.base.transfer import BoundTransfer
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_network import LabelledWindows, log_loss
from nlptl.training.networks.text_training import Tuning
from nlptl.training.tasks.task_network import TasksNetwork
from nlptl.training.tasks.task_objective import TaskLoss
from nlptl.training.tasks.task_training import Joint, tune_tasks

CONFIG = LoopConfig(
    epochs=3, batch_size=8, learning_rate=1e-3, precision="float32", quiet=True, patience=9
)


def rows_of(codes, first):
    ids = [[2, first + int(code), 5 + i % 7, 3] for i, code in enumerate(codes)]
    windows = Windows(ids, np.arange(len(ids)), np.full(len(ids), 4))
    targets = Targets(codes, int(codes.max()) + 1 if codes.dtype.kind == "i" else 1)
    return LabelledWindows(windows, targets, 0)


@pytest.fixture
def work(tiny_encoder):
    """Two tasks whose answers stand in the texts."""
    encoder = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model

    def build(seed):
        heads = {"a": torch.nn.Linear(32, 3), "b": torch.nn.Linear(32, 1)}
        network = TasksNetwork(
            copy.deepcopy(encoder),
            heads,
            scales=dict.fromkeys(heads, 1.0),
            pooling=Pooling(),
            weights=np.ones(1),
        )
        return network, [BoundTransfer()]

    rows = {"a": rows_of(np.arange(48) % 3, 12), "b": rows_of(np.arange(24) % 2 * 1.0, 20)}
    losses = {"a": TaskLoss(scale=1.1), "b": TaskLoss()}
    scores = {name: lambda network, own=own: -log_loss(network, own) for name, own in rows.items()}
    return build, Joint(rows, losses, scores)


def weights_of(found):
    return {name: w.detach().clone() for name, w in found.network.named_parameters()}


@pytest.mark.parametrize("mixed", [False, True])
def test_every_task_is_learnt_and_its_steps_are_counted(work, mixed):
    build, joint = work
    joint = replace(joint, mixing=Mixing(mixed=mixed))
    found = tune_tasks(build, joint, Tuning(CONFIG, 0, "cpu"))
    assert len(found.history.steps) == 27 and len(found.history.losses) == 3
    assert sum(found.steps.values()) == (54 if mixed else 27)
    for name, scores in found.progress.scores.items():
        assert len(scores) == 3 and scores[-1] > scores[0], name
    assert np.array(found.progress.cosines).shape == (3, 2, 2)


def test_the_best_epoch_is_kept_where_that_is_asked_for(work):
    build, joint = work
    falling = iter([3.0, 2.0, 1.0])
    joint = replace(joint, scores={"a": lambda _: next(falling)})
    found = tune_tasks(build, joint, Tuning(replace(CONFIG, keep="best"), 0, "cpu"))
    assert found.history.best_epoch == 1
    last = tune_tasks(build, replace(joint, scores={}), Tuning(CONFIG, 0, "cpu"))
    assert last.history.best_epoch == 3
    first = weights_of(found)
    assert any(not torch.equal(first[name], w) for name, w in weights_of(last).items())


def test_a_task_stops_by_itself(work):
    build, joint = work
    joint = replace(joint, scores={"a": lambda _: 0.0, "b": joint.scores["b"]})
    config = replace(CONFIG, epochs=5, patience=2)
    found = tune_tasks(build, joint, Tuning(config, 0, "cpu"))
    whole = tune_tasks(build, joint, Tuning(replace(config, patience=9), 0, "cpu"))
    assert found.steps["a"] == 3 * whole.steps["a"] // 5
    assert sum(found.steps.values()) == sum(whole.steps.values())


def test_a_training_that_was_broken_off_ends_where_it_would_have(work, tmp_path, monkeypatch):
    build, joint = work
    joint = replace(joint, scores={"a": lambda _: 0.0, "b": joint.scores["b"]})
    config = replace(CONFIG, epochs=5, patience=2, save_steps=4)
    whole = tune_tasks(build, joint, Tuning(config, 0, "cpu"))
    kept = replace(config, checkpoints=str(tmp_path / "kept"))
    calls = []

    def breaks(network):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return joint.scores["b"](network)

    broken = replace(joint, scores={**joint.scores, "b": breaks})
    with pytest.raises(KeyboardInterrupt):
        tune_tasks(build, broken, Tuning(kept, 0, "cpu"))
    again = tune_tasks(build, joint, Tuning(kept, 0, "cpu"))
    assert again.history.resumed_from > 0
    assert again.progress.scores == whole.progress.scores
    assert again.steps == whole.steps
    for name, weight in weights_of(whole).items():
        torch.testing.assert_close(weights_of(again)[name], weight, rtol=0, atol=0)


def test_weights_of_losses_learn_faster_than_the_network(work):
    build, joint = work
    joint = replace(joint, balance="uncertainty")
    found = tune_tasks(build, joint, Tuning(CONFIG, 0, "cpu"))
    assert found.network.extras["balance"].logs.abs().min() > 0.02
