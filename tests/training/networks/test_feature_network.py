import gc
import weakref

import numpy as np
import pytest
import torch

from nlptl import LogisticHead, MLPHead
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.encoders import ResidualFusion
from nlptl.training.config import LoopConfig
from nlptl.training.networks import feature_network
from nlptl.training.networks.feature_network import NetworkRecipe, fit_network

QUICK = LoopConfig(epochs=15, learning_rate=1e-2)


@pytest.fixture
def rings():
    """Two rings: no line tells them apart."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 150)
    angle = rng.random(300) * 2 * np.pi
    radius = np.where(y == 0, 1.0, 3.0) + rng.normal(size=300) * 0.2
    X = np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1)
    return X.astype(np.float32), Targets(y, 2)


def recipe(head, width=2, fusion=None, groups=None, n_outputs=2):
    return NetworkRecipe(head, fusion, groups or (("all", width),), n_outputs)


def accuracy(network, X, targets):
    return (network.logits(X).argmax(axis=1) == targets.codes).mean()


def test_a_network_learns_what_a_line_cannot(rings):
    X, targets = rings
    mlp = fit_network(recipe(MLPHead((32,), 0.0)), X, targets, config=QUICK, device="cpu")
    line = fit_network(recipe(LogisticHead()), X, targets, config=QUICK, device="cpu")
    assert accuracy(mlp.network, X, targets) > 0.95
    assert accuracy(line.network, X, targets) < 0.7


def test_the_same_seed_gives_the_same_network_and_the_user_keeps_the_generator(rings):
    X, targets = rings
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    first, second = (
        fit_network(recipe(MLPHead((8,))), X, targets, config=QUICK, seed=3, device="cpu")
        for _ in range(2)
    )
    assert torch.equal(torch.rand(2), expected)
    np.testing.assert_array_equal(first.network.logits(X), second.network.logits(X))


def test_rows_are_held_out_to_find_the_length_unless_there_are_few(rings):
    X, targets = rings
    done = fit_network(recipe(MLPHead((8,))), X, targets, config=QUICK, device="cpu")
    rows, logits = done.held_out
    assert len(rows) == 60
    assert logits.shape == (60, 2)
    assert len(done.history.scores) == len(done.history.losses)
    few = np.arange(0, 300, 10)
    small = fit_network(recipe(MLPHead((8,))), X[few], targets.take(few), config=QUICK)
    assert small.held_out is None


def test_several_labels_are_learnt(clouds):
    X, y = clouds
    targets = Targets(np.stack([y == 0, y < 2], axis=1).astype(np.int64), 2)
    done = fit_network(recipe(MLPHead((16,)), 12), X, targets, config=QUICK, device="cpu")
    assert ((done.network.logits(X) > 0) == targets.codes).mean() > 0.95


def test_weights_decide_whom_the_network_follows():
    X = np.ones((200, 1), dtype=np.float32)
    codes = np.repeat([0, 1], 100)
    for heavy in (0, 1):
        weights = np.where(codes == heavy, 20.0, 1.0)
        done = fit_network(
            recipe(LogisticHead(), 1), X, Targets(codes, 2, weights), config=QUICK, device="cpu"
        )
        assert done.network.logits(X)[0].argmax() == heavy


def test_a_fusion_is_trained_with_the_head_and_comes_back(clouds):
    X, y = clouds
    made = recipe(
        LogisticHead(), fusion=ResidualFusion(8, 0.0), groups=(("a", 5), ("b", 7)), n_outputs=3
    )
    done = fit_network(made, X, Targets(y, 3), config=QUICK, device="cpu")
    assert accuracy(done.network, X, Targets(y, 3)) > 0.95
    again = made.restore(done.network.arrays())
    np.testing.assert_array_equal(again.logits(X), done.network.logits(X))


def test_rows_of_no_weight_and_batches_of_one_row(clouds):
    X, y = clouds
    weights = np.zeros(len(y))
    weights[:10] = 1.0
    done = fit_network(
        recipe(LogisticHead(), 12, n_outputs=3),
        X,
        Targets(y, 3, weights),
        config=QUICK,
        device="cpu",
    )
    assert np.isfinite(done.network.logits(X)).all()
    single = LoopConfig(epochs=1, batch_size=1)
    with pytest.raises(ConfigError, match="batches of one row"):
        fit_network(
            recipe(MLPHead((8,)), 12, n_outputs=3), X, Targets(y, 3), config=single, device="cpu"
        )


def test_the_final_network_is_trained_for_the_best_epochs_and_not_for_all_steps(rings, monkeypatch):
    X, targets = rings
    configs = []

    def train(work, some, config, *held_out):
        configs.append(config)
        return real(work, some, config, *held_out)

    real = feature_network._Work.train
    monkeypatch.setattr(feature_network._Work, "train", train)
    config = LoopConfig(max_steps=600, learning_rate=0.1, patience=1)
    fit = fit_network(recipe(MLPHead((8,), 0.0)), X, targets, config=config, device="cpu")
    assert [part.max_steps for part in configs] == [600, None]
    assert configs[1].epochs == fit.history.best_epoch


def test_features_are_let_go_of_after_the_training(rings):
    X, targets = rings[0].copy(), rings[1]
    fit = fit_network(recipe(MLPHead((8,), 0.0)), X, targets, config=QUICK, device="cpu")
    features = weakref.ref(X)
    del X
    gc.collect()
    assert features() is None and fit.network is not None
