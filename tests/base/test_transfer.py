"""The contract of a transfer, proved by one that is written here and registered with one line."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from nlptl import Corpus, FullFineTune, TextClassifier, TrainingConfig
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer, WeightGroup
from nlptl.transfer import registry

TRAINING = TrainingConfig(epochs=6, batch_size=8, learning_rate=3e-3, refit=False, quiet=True)
SEEN: dict[str, Any] = {}
"""What the transfer of this test received."""


def reversed_gradient(features):
    """Return the same values. Their gradient changes its sign."""
    return 2 * features.detach() - features


@dataclass(frozen=True)
class DomainAdversary(Transfer):
    """Train the encoder so that a discriminator cannot tell source from target texts."""

    weight: float = 0.5

    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "unlabeled", "source"})
    trains_encoder: ClassVar[bool] = True
    paper: ClassVar[str] = "Ganin et al. 2016, arXiv:1505.07818"

    def bind(self, context: Context) -> BoundTransfer:
        discriminator = torch.nn.Linear(context.network.head.in_features, 2)
        SEEN.update(context=context, losses=[])
        streams = {
            "source": context.rows_of(context.sources[0].texts),
            "target": context.rows_of(context.unlabeled),
        }
        return BoundAdversary(self.weight, discriminator, streams)


@dataclass(eq=False)
class BoundAdversary(BoundTransfer):
    weight: float
    discriminator: Any
    rows: dict[str, Any] = field(default_factory=dict)

    def modules(self):
        return {"discriminator": self.discriminator}

    def streams(self):
        return self.rows

    def loss(self, outputs, progress):
        both = [outputs[name].features for name in ("source", "target")]
        domains = torch.cat([torch.full((len(rows),), i) for i, rows in enumerate(both)])
        scores = self.discriminator(reversed_gradient(torch.cat(both))).float()
        loss = torch.nn.functional.cross_entropy(scores, domains)
        SEEN["losses"].append(float(loss.detach()))
        return self.weight * loss


@pytest.fixture
def domains():
    """Labelled target rows, labelled source rows and unlabelled target rows."""
    rng = np.random.default_rng(0)
    words = ["late", "help"]
    labels = [words[int(rng.integers(2))] for _ in range(96)]
    source = [f"parcel {label} app" for label in labels[:64]]
    target = [f"money {label} card" for label in labels[64:]]
    corpus = Corpus(source, labels[:64])
    return (target[:16], labels[64:80]), corpus, Corpus(target[16:]), labels[80:]


def adversary(tiny_encoder, **options):
    transfer = [FullFineTune(), DomainAdversary()]
    options = {"training": TRAINING, "device": "cpu", **options}
    return TextClassifier(tiny_encoder, transfer=transfer, **options)


@pytest.fixture
def registered(monkeypatch):
    method = registry.Method("adversary", DomainAdversary)
    monkeypatch.setattr(registry, "METHODS", (*registry.METHODS, method))


def test_source_and_unlabelled_rows_reach_training(tiny_encoder, domains):
    labelled, source, unlabeled, truth = domains
    model = adversary(tiny_encoder).fit(*labelled, source=source, unlabeled=unlabeled)
    context = SEEN["context"]
    assert list(context.unlabeled) == list(unlabeled.rows.texts)
    assert list(context.sources[0].texts) == list(source.rows.texts)
    assert np.array(model.classes_)[context.sources[0].codes].tolist() == list(source.labels)
    assert context.n_tasks == 1
    assert len(SEEN["losses"]) == 12 and np.isfinite(SEEN["losses"]).all()
    assert model.score(unlabeled.rows.texts, truth) > 0.9


def test_what_the_transfer_needs_is_asked_for(tiny_encoder, domains):
    labelled, source, unlabeled, _ = domains
    model = adversary(tiny_encoder)
    with pytest.raises(ConfigError, match=r"DomainAdversary\(\) needs fit\(..., source="):
        model.fit(*labelled, unlabeled=unlabeled)
    with pytest.raises(ConfigError, match=r"DomainAdversary\(\) needs fit\(..., unlabeled="):
        model.fit(*labelled, source=source)


def test_one_line_of_the_registry_saves_it_and_puts_it_on_the_command_line(
    tiny_encoder, domains, registered, tmp_path
):
    from nlptl.config.components import build, names_of

    assert "adversary" in names_of("transfer")
    assert build("transfer", "adversary", {"weight": "0.25"}) == DomainAdversary(0.25)
    labelled, source, unlabeled, _ = domains
    model = adversary(tiny_encoder).fit(*labelled, source=source, unlabeled=unlabeled)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.transfer == [FullFineTune(), DomainAdversary()]
    texts = unlabeled.rows.texts
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)


@pytest.mark.parametrize("changed", ["source", "unlabeled"])
def test_a_checkpoint_belongs_to_the_texts_of_its_streams(tiny_encoder, domains, tmp_path, changed):
    labelled, source, unlabeled, _ = domains
    training = TrainingConfig(
        max_steps=4, batch_size=8, save_steps=2, checkpoints=str(tmp_path), refit=False, restarts=0
    )
    streams = {"source": source, "unlabeled": unlabeled}
    model = adversary(tiny_encoder, training=training)
    model.fit(*labelled, **streams)
    assert model.fit(*labelled, **streams).history_.resumed_from == 4
    texts = [*streams[changed].rows.texts[:-1], "another text"]
    streams[changed] = Corpus(texts, streams[changed].labels)
    with pytest.raises(ConfigError, match=f"differ in .*{changed}"):
        model.fit(*labelled, **streams)


def test_a_transfer_without_more_than_a_class_does_nothing():
    @dataclass(frozen=True)
    class Plain(Transfer):
        pass

    transfer = Plain()
    assert (transfer.keeps_head, transfer.averages_weights) == (True, False)
    assert not transfer.only_occurring_words and not transfer.trains_encoder
    bound = transfer.bind(Context(None, 1, 0))
    assert (bound.modules(), bound.streams(), bound.stages()) == ({}, {}, ())
    assert bound.weight_groups(["head.weight"]) == (WeightGroup(["head.weight"], 1.0),)
    assert bound.loss({}, 0.0) is None and bound.finish() is None


@dataclass(frozen=True)
class SmallStates(Transfer):
    """Keep the hidden states of all tokens small."""

    trains_encoder: ClassVar[bool] = True

    def bind(self, context: Context) -> BoundTransfer:
        SEEN["sizes"] = []
        return BoundSmallStates()


class BoundSmallStates(BoundTransfer):
    needs_hidden_states = True

    def loss(self, outputs, progress):
        hidden = outputs["task"].hidden_states
        sizes = hidden.states.float().square().mean(dim=2)
        size = (sizes * hidden.attention_mask).sum() / hidden.attention_mask.sum()
        SEEN["sizes"].append(float(size.detach()))
        return 10 * size


def test_a_loss_reads_the_hidden_states_of_all_tokens(tiny_encoder, domains):
    (texts, labels), *_ = domains
    model = TextClassifier(
        tiny_encoder, transfer=[FullFineTune(), SmallStates()], training=TRAINING, device="cpu"
    )
    model.fit(texts, labels)
    assert SEEN["sizes"][-1] < 0.97 * SEEN["sizes"][0]
