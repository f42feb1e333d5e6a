import numpy as np
import pytest
import torch

from nlptl import (
    BlendHead,
    Corpus,
    FullFineTune,
    LogisticHead,
    MLPHead,
    PrototypeHead,
    StaticEncoder,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.folder import find_encoder
from nlptl.encoders.contextual.shelf import read_encoder

CONFIG = TrainingConfig(epochs=6, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="module")
def orders():
    """Texts whose class is the order of two words: nothing that frozen random features show."""
    rng = np.random.default_rng(0)
    filler = ["parcel", "money", "phone", "app", "card"]
    texts, labels = [], []
    for _ in range(240):
        first, second = ("late", "help") if rng.random() < 0.5 else ("help", "late")
        words = [first, rng.choice(filler), second]
        texts.append(" ".join(words))
        labels.append(f"{first} first")
    return texts, labels


def tuned(encoder, texts, labels, **options):
    given = {"transfer": FullFineTune(), "training": CONFIG, "device": "cpu", **options}
    return TextClassifier(encoder, **given).fit(texts, labels)


def test_tuning_learns_what_frozen_features_do_not_show(tiny_encoder, orders):
    texts, labels = orders
    model = tuned(tiny_encoder, texts[:160], labels[:160])
    assert model.score(texts[160:], labels[160:]) > 0.95
    assert model.history_.losses[-1] < 0.5 * model.history_.losses[0]
    frozen = TextClassifier(tiny_encoder, head=LogisticHead(C=1.0)).fit(texts[:160], labels[:160])
    assert model.score(texts[160:], labels[160:]) >= frozen.score(texts[160:], labels[160:])


def test_the_start_is_the_frozen_rung(tiny_encoder, orders):
    texts, labels = orders
    still = TrainingConfig(epochs=1, learning_rate=1e-12)
    model = tuned(tiny_encoder, texts, labels, training=still, head=LogisticHead(C=1.0))
    encoder = TransformerEncoder(tiny_encoder, pooling=Pooling(normalize=False), dtype="float32")
    frozen = TextClassifier(encoder, head=LogisticHead(C=1.0)).fit(texts, labels)
    assert (model.predict(texts) == frozen.predict(texts)).mean() > 0.97


def test_the_same_seed_gives_the_same_weights_and_the_source_stays(tiny_encoder, orders):
    texts, labels = orders
    before = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()
    runs = [tuned(tiny_encoder, texts[:60], labels[:60], seed=s) for s in (3, 3, 4)]
    first, same, other = (r.fitted_.features.encoder.weights.model.state_dict() for r in runs)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    after = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_only_the_layers_asked_for_change(tiny_encoder, orders):
    texts, labels = orders
    transfer = FullFineTune(layers=1)
    model = tuned(tiny_encoder, texts[:60], labels[:60], transfer=transfer)
    found = model.fitted_.features.encoder.weights.model.state_dict()
    source = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()
    changed = {name for name in source if not torch.equal(source[name], found[name])}
    assert changed
    assert all(name.startswith("encoder.layer.2.") for name in changed)


@pytest.mark.parametrize("head", [None, MLPHead((8,)), BlendHead()], ids=repr)
@pytest.mark.parametrize("kind", ["single", "several", "pairs"])
def test_what_is_saved_gives_the_same(tiny_encoder, orders, tmp_path, kind, head):
    texts, labels = orders
    if kind == "several":
        labels = [[label, "all"] if i % 3 else [] for i, label in enumerate(labels)]
    if kind == "pairs":
        texts = [tuple(text.split(" ", 1)) for text in texts]
    model = tuned(tiny_encoder, texts[:120], labels[:120], head=head)
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    assert again.transfer == FullFineTune()
    assert again.training == CONFIG


def test_every_family_of_encoders_is_tuned_saved_and_read(any_encoder, orders, tmp_path):
    texts, labels = orders
    pairs = [tuple(text.split(" ", 1)) for text in texts]
    for rows in (texts, pairs):
        model = tuned(any_encoder, rows[:120], labels[:120])
        losses = model.history_.losses
        assert losses[-1] < max(losses[0], 1e-3)
        assert model.score(rows[120:], labels[120:]) > 0.9
        again = TextClassifier.load(model.save(tmp_path / "m"))
        np.testing.assert_allclose(again.predict_proba(rows), model.predict_proba(rows), atol=1e-5)


def test_pairs_are_read_together(tiny_encoder, orders):
    texts, labels = orders
    pairs = [tuple(text.split(" ", 1)) for text in texts]
    model = tuned(tiny_encoder, pairs[:160], labels[:160])
    assert model.fitted_.features.joint
    assert model.score(pairs[160:], labels[160:]) > 0.95


def test_validation_rows_decide_how_long(tiny_encoder, orders):
    texts, labels = orders
    unseen = Corpus(texts[160:], labels[160:])
    model = tuned(tiny_encoder, texts[:160], labels[:160])
    assert model.history_.scores == []
    stopped = TextClassifier(tiny_encoder, transfer=FullFineTune(), training=CONFIG, device="cpu")
    stopped.fit(texts[:160], labels[:160], validation=unseen)
    assert len(stopped.history_.scores) == len(stopped.history_.losses)
    with pytest.raises(InputError, match="one Corpus with labels"):
        stopped.fit(texts, labels, validation=Corpus(texts))


@pytest.mark.parametrize(
    ("encoder", "options", "said"),
    [
        (StaticEncoder(), {}, "tunes a transformer, got StaticEncoder"),
        (None, {"head": PrototypeHead()}, "no linear head or network"),
        (None, {"training": None, "transfer": FullFineTune(layer_decay=1.0), "head": 3}, "such as"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tiny_encoder, orders, encoder, options, said):
    with pytest.raises(ConfigError, match=said):
        tuned(encoder or tiny_encoder, *orders, **options)


def test_treatments_of_rare_classes_are_followed_or_refused(tiny_encoder, orders):
    texts, labels = orders
    few = slice(0, 60)  # too few to hold some out: what the frozen start learnt stays
    model = tuned(tiny_encoder, texts[few], labels[few], imbalance="logit_adjust")
    assert model.fitted_.scorer.decision.offsets is not None
    several = [[label] for label in labels]
    with pytest.raises(ConfigError, match="does nothing for several labels"):
        tuned(tiny_encoder, texts, several, imbalance="balanced")
