from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from nlptl import MMD, Contrastive, Corpus, FullFineTune, TextClassifier, TrainingConfig
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Stage, Transfer
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.history import History
from nlptl.training.losses import LabelLosses, focal_losses
from nlptl.training.networks import text_training
from nlptl.training.networks.text_network import LabelledWindows
from nlptl.training.networks.text_training import collapse, prior_loss

SIZES = np.random.default_rng(0).integers(3, 30, 37)


def rows(weights=None, sizes=SIZES):
    ids = [[row] * int(size) for row, size in enumerate(sizes)]
    windows = Windows(ids, np.arange(len(ids)), np.asarray(sizes))
    return LabelledWindows(windows, Targets(np.arange(len(ids)) % 2, 2, weights), 0)


def test_the_loss_of_class_shares_is_their_entropy():
    codes = np.array([0, 0, 0, 1])
    wanted = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert prior_loss(Targets(codes, 2)) == pytest.approx(wanted)
    several = Targets(np.array([[1, 1], [0, 1]]), 2)
    assert prior_loss(several) == pytest.approx(np.log(2) / 2)
    weighed = Targets(codes, 2, np.array([1.0, 1.0, 1.0, 3.0]))
    assert prior_loss(weighed) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("logits", "last", "said"),
    [
        ([[0.0, 0.1]], 0.69, "predicts one class"),
        ([[0.0, 9.0]], 4.0, "is not below"),
        ([[float("nan"), 0.0]], float("nan"), "is not below"),
        ([[0.0, 0.1]], 0.3, None),
    ],
)
def test_a_collapse_is_told_by_its_loss_or_by_one_answer(monkeypatch, logits, last, said):
    found = np.repeat(np.array(logits), 37, axis=0)
    if said == "predicts one class":
        found[:, 1] += np.where(np.arange(37) % 2, 0.5, -0.05)
    monkeypatch.setattr(text_training, "logits_of", lambda *_, some: found[some])
    reason = collapse(None, rows(), History(losses=[last]))
    assert (said in reason) if said else reason is None


def test_a_collapse_is_told_by_the_loss_that_is_trained(monkeypatch):
    found = np.zeros((37, 2))
    monkeypatch.setattr(text_training, "logits_of", lambda *_, some: found[some])
    low = History(losses=[0.173])  # the focal loss of knowing nothing
    assert text_training.Tuning(LoopConfig(), 0).watchdog(None, rows(), low) is None
    focal = text_training.Tuning(LoopConfig(), 0, loss=focal_losses)
    assert focal.watchdog(None, rows(), low) is not None


def test_the_loss_of_label_shares_counts_labels_as_training_does():
    targets = Targets(np.array([[1, 0]] + [[0, 1]] * 9), 2)
    losses = LabelLosses(np.array([0.5, 1.0]), np.array([4.5, 1.0]))
    by_hand = (0.9 * np.log(2) - 0.9 * np.log(0.9) - 0.1 * np.log(0.1)) / 2
    assert prior_loss(targets, losses) == pytest.approx(by_hand)
    never = Targets(np.array([[1, 0], [0, 0], [0, 0]]), 2)
    assert np.isfinite(prior_loss(never, LabelLosses(np.array([0.5, 1.0]), np.array([2.0, 0.0]))))


def reversed_gradient(features):
    """Return the same values. Their gradient changes its sign."""
    return 2 * features.detach() - features


@dataclass(frozen=True)
class Adversary(Transfer):
    """A domain discriminator that the encoder learns to deceive: as far as this test goes."""

    texts: tuple[str, ...]
    reverse: bool = True
    told: dict[str, Any] = field(default_factory=dict, compare=False)

    def bind(self, context):
        width = context.network.head.in_features
        bound = _Adversary(self, torch.nn.Linear(width, 2), context.rows_of(self.texts))
        self.told["discriminator"] = bound.discriminator
        return bound


@dataclass(eq=False)
class _Adversary(BoundTransfer):
    spec: Adversary
    discriminator: Any
    rows: Any

    def modules(self):
        return {"discriminator": self.discriminator}

    def streams(self):
        return {"target": self.rows}

    def loss(self, outputs, progress):
        both = [outputs["task"].features, outputs["target"].features]
        domains = torch.cat([torch.full((len(one),), i) for i, one in enumerate(both)])
        seen = torch.cat(both)
        seen = reversed_gradient(seen) if self.spec.reverse else seen
        loss = torch.nn.functional.cross_entropy(self.discriminator(seen).float(), domains)
        self.spec.told.setdefault("progress", []).append(progress)
        self.spec.told.setdefault("losses", []).append(float(loss.detach()))
        return loss


def test_a_transfer_brings_its_own_network_stream_and_loss(tiny_encoder):
    rng = np.random.default_rng(0)
    words, labels = ["late", "help"], []
    source, target = [], []
    for _ in range(80):
        label = int(rng.integers(2))
        source.append(f"parcel {words[label]} app")
        target.append(f"money {words[int(rng.integers(2))]} card")
        labels.append(words[label])
    found = {}
    for reverse in (True, False):
        adversary = Adversary(tuple(target), reverse)
        model = TextClassifier(
            tiny_encoder,
            transfer=[FullFineTune(), adversary],
            training=TrainingConfig(epochs=8, batch_size=8, learning_rate=3e-3),
            device="cpu",
        ).fit(source, labels)
        assert model.score(source, labels) > 0.9
        found[reverse] = float(np.mean(adversary.told["losses"][-10:]))
        told = adversary.told["progress"]
        assert told == sorted(told) and told[0] == 0.0
    # Its discriminator learns where the encoder helps, and is at a loss where it deceives.
    assert found[False] < 0.1
    assert found[True] > 0.3


class Looking(BoundTransfer):
    reads_weights = True


def test_what_weights_in_parts_cannot_follow_is_refused():
    text_training.check_spread([Stage()], [BoundTransfer()])
    with pytest.raises(ConfigError, match="gradual unfreezing"):
        text_training.check_spread([Stage(), Stage()], [])
    with pytest.raises(ConfigError, match="needs the full weights"):
        text_training.check_spread([Stage()], [Looking()])


@pytest.mark.parametrize(
    ("transfer", "by_class", "any_length"),
    [
        (FullFineTune(), False, False),
        ([FullFineTune(), MMD()], False, True),
        (Contrastive(steps=1), True, True),
        ([Contrastive(steps=1), MMD()], True, True),
    ],
)
def test_batches_suit_what_the_losses_compare(
    tiny_encoder, monkeypatch, transfer, by_class, any_length
):
    feeds, plain = [], text_training.TextFeed

    def recorded(*args, **options):
        feeds.append(plain(*args, **options))
        return feeds[-1]

    monkeypatch.setattr(text_training, "TextFeed", recorded)
    training = TrainingConfig(max_steps=1, refit=False, quiet=True)
    model = TextClassifier(tiny_encoder, transfer=transfer, training=training, device="cpu")
    texts = ["late parcel", "help me", "late box", "help please"] * 3
    compares = isinstance(transfer, list)
    model.fit(
        texts, ["a", "b"] * 6, **({"unlabeled": Corpus(["money", "card"])} if compares else {})
    )
    (feed,) = feeds
    assert (feed.by_class, feed.any_length, feed.in_parts) == (by_class, any_length, any_length)
    assert list(feed.streams) == ["task", "unlabeled"][: 1 + compares]


def test_the_loss_of_class_shares_needs_no_matrix_of_rows_and_classes(monkeypatch):
    monkeypatch.setattr(text_training, "_NUMBERS_AT_ONCE", 50)
    codes = np.arange(400) % 40
    assert prior_loss(Targets(codes, 40)) == pytest.approx(np.log(40))
    several = Targets(np.random.default_rng(0).integers(0, 2, (30, 5)), 5)
    blocks = prior_loss(several)
    monkeypatch.setattr(text_training, "_NUMBERS_AT_ONCE", 10_000)
    assert prior_loss(several) == pytest.approx(blocks)
