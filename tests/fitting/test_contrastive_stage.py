from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from nlptl import (
    Contrastive,
    Corpus,
    Frozen,
    FullFineTune,
    LabelMeaning,
    LogisticHead,
    LoRA,
    SourceRows,
    TextClassifier,
    TextRegressor,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.fitting import contrastive_stage, tuned_stage
from nlptl.fitting.contrastive_stage import CONTRAST, contrast_config, one_place
from nlptl.fitting.transfers import as_transfers
from nlptl.training.networks import text_feed

FAST = TrainingConfig(learning_rate=3e-3, max_steps=40)


@pytest.fixture(scope="module")
def orders():
    """Texts whose class is the order of two words: nothing that frozen random features show."""
    rng = np.random.default_rng(0)
    filler = ["parcel", "money", "phone", "app", "card"]
    pairs = [("late", "help") if rng.random() < 0.5 else ("help", "late") for _ in range(200)]
    texts = [f"{first} {rng.choice(filler)} {second}" for first, second in pairs]
    return texts, [f"{first} first" for first, _ in pairs]


def tuned(encoder, texts, labels, transfer=None, **options):
    given = {"transfer": transfer or Contrastive(), "training": FAST, "device": "cpu", **options}
    return TextClassifier(encoder, **given).fit(texts, labels)


def test_few_texts_are_told_apart_that_frozen_features_mix(tiny_encoder, orders):
    texts, labels = orders
    model = tuned(tiny_encoder, texts[:32], labels[:32])
    frozen = TextClassifier(tiny_encoder, head=LogisticHead(C=10.0)).fit(texts[:32], labels[:32])
    assert model.score(texts[32:], labels[32:]) > frozen.score(texts[32:], labels[32:]) + 0.1
    assert model.history_.losses[-1] < model.history_.losses[0]
    assert isinstance(model.fitted_.scorer.head, LogisticHead)


@pytest.mark.parametrize("transfer", [FullFineTune(layers=1), LoRA(rank=4), LoRA(merge=False)])
def test_other_weights_learn_beside_it_and_are_saved(transfer, tiny_encoder, orders, tmp_path):
    texts, labels = orders
    model = tuned(tiny_encoder, texts[:24], labels[:24], [Contrastive(steps=5), transfer])
    again = TextClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(
        again.predict_proba(texts[:9]), model.predict_proba(texts[:9]), atol=1e-4
    )
    assert again.transfer == [Contrastive(steps=5), transfer]


def test_the_same_seed_gives_the_same_model(tiny_encoder, orders):
    texts, labels = orders
    runs = [tuned(tiny_encoder, texts[:24], labels[:24], seed=seed) for seed in (1, 1, 2)]
    first, same, other = (run.predict_proba(texts[:20]) for run in runs)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.parametrize(
    "beside", [[], pytest.param([LoRA(rank=2)], marks=pytest.mark.slow)], ids=str
)
def test_trainings_from_several_seeds_are_averaged(beside, tiny_encoder, orders, tmp_path):
    texts, labels = orders
    some = TrainingConfig(learning_rate=3e-3, max_steps=5)

    def weights(n_seeds, seed):
        transfer = [Contrastive(seeds=n_seeds), *beside]
        training = replace(some, checkpoints=tmp_path / f"{n_seeds}-{seed}")
        model = tuned(tiny_encoder, texts[:16], labels[:16], transfer, seed=seed, training=training)
        return model.fitted_.features.encoder.weights.model.state_dict()

    alone = [weights(1, seed) for seed in (4, 5, 6)]
    for name, weight in weights(3, 4).items():
        mean = sum(one[name] for one in alone) / 3
        np.testing.assert_allclose(weight, mean, atol=1e-6)
    moved = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(alone[0][moved], alone[1][moved])
    assert {path.name for path in (tmp_path / "3-4").iterdir()} >= {"seed-1", "seed-2"}


def test_rows_are_read_in_parts_and_long_texts_by_their_first_window(
    tiny_encoder, orders, monkeypatch
):
    longest, plain = [], text_feed.alike

    def watched(lengths, **options):
        longest.append(int(lengths.max()))
        return plain(lengths, **options)

    monkeypatch.setattr(text_feed, "alike", watched)
    texts = [f"{text} phone app" * (1 + 20 * (i % 2)) for i, text in enumerate(orders[0][:8])]
    model = tuned(tiny_encoder, texts, orders[1][:8], training=None)
    assert max(longest) == 32  # the window of the encoder, though texts have several
    assert len(model.history_.losses) == 8  # passes over few rows of two classes


def test_names_are_drawn_to_their_texts(tiny_encoder, orders):
    texts, labels = orders
    names = LabelMeaning({"late first": "late", "help first": "help"})
    some = [labels.index("late first"), labels.index("help first")]
    rows = [texts[i] for i in some], [labels[i] for i in some]
    model = tuned(tiny_encoder, *rows, [Contrastive(), names])
    assert model.history_.steps  # there are two texts of a class: one, and its name
    assert set(model.predict(texts[:20])) <= {"late first", "help first"}
    # No row can calibrate the probabilities, so they are softened by a constant for two classes.
    assert model.fitted_.scorer.decision.temperature == pytest.approx(2.3)
    assert tuned(tiny_encoder, *rows).fitted_.scorer.decision.temperature == 1.0


def test_one_text_a_class_leaves_the_encoder_as_it_is(tiny_encoder, orders, caplog):
    texts, labels = orders
    rows = [labels.index("late first"), labels.index("help first")]
    model = tuned(tiny_encoder, [texts[i] for i in rows], [labels[i] for i in rows])
    assert "no class has two texts" in caplog.text.lower()
    assert model.history_ is None
    still = TextClassifier(tiny_encoder, transfer=Frozen("top"), head=LogisticHead(C=10.0))
    still.fit([texts[i] for i in rows], [labels[i] for i in rows])
    assert (model.predict(texts) == still.predict(texts)).mean() > 0.9


def test_more_rows_take_more_steps_but_not_more_than_in_proportion():
    taken = {}
    for n in (4, 16, 64, 256, 1024, 4096):
        config = contrast_config(as_transfers(Contrastive()), n, 4)
        taken[n] = config.epochs * n
    rows = sorted(taken)
    for fewer, more in pairwise(rows):
        assert taken[fewer] <= taken[more] <= taken[fewer] * more / fewer
    assert contrast_config(as_transfers(Contrastive(steps=7)), 100, 4).max_steps == 7
    passes = [contrast_config(as_transfers(Contrastive()), 8, k).epochs for k in (1, 2, 4, 6, 77)]
    assert passes == [8, 8, 10, CONTRAST.epochs, CONTRAST.epochs]


def test_a_checkpoint_is_gone_on_from(tiny_encoder, orders, tmp_path):
    texts, labels = orders
    config = TrainingConfig(max_steps=6, checkpoints=str(tmp_path / "kept"), save_steps=2)
    first = tuned(tiny_encoder, texts[:24], labels[:24], training=config)
    again = tuned(tiny_encoder, texts[:24], labels[:24], training=config)
    assert first.history_.resumed_from == 0 and again.history_.resumed_from == 6
    np.testing.assert_array_equal(again.predict_proba(texts[:9]), first.predict_proba(texts[:9]))


def test_texts_in_one_place_are_a_collapse(monkeypatch):
    from nlptl.training.networks import text_network as networks

    targets = Targets(np.array([0, 1, 0, 1]), 2)
    spread = np.eye(4)
    for vectors, collapsed in ((np.ones((4, 4)), True), (spread, False)):
        monkeypatch.setattr(networks, "features_of", lambda *_, v=vectors, some: v[some])
        reason = one_place(None, range(4), None, targets=targets)
        assert (reason is not None) is collapsed


def test_a_collapse_begins_again(monkeypatch, tiny_encoder, orders):
    texts, labels = orders
    answers = iter(["texts of all classes have almost the same vector", None])
    monkeypatch.setattr(contrastive_stage, "one_place", lambda *_, **__: next(answers))
    model = tuned(tiny_encoder, texts[:24], labels[:24])
    assert model.history_.restarts == ["texts of all classes have almost the same vector"]


def test_several_labels_and_pairs_are_compared_too(tiny_encoder, support):
    texts, _ = support
    several = [["a"], ["b"], ["a", "b"], []] * 6
    model = tuned(tiny_encoder, texts[:24], several, training=TrainingConfig(max_steps=3))
    assert model.predict_proba(texts[:5]).shape == (5, 2)
    pairs = list(zip(texts[:24], texts[24:48], strict=True))
    model = tuned(tiny_encoder, pairs, ["same", "other"] * 12, training=TrainingConfig(max_steps=3))
    assert model.predict_proba(pairs[:5]).shape == (5, 2)


def test_what_makes_no_sense_is_refused(tiny_encoder, orders):
    texts, labels = orders
    with pytest.raises(ConfigError, match="compares classes, got numbers"):
        TextRegressor(tiny_encoder, transfer=Contrastive()).fit(texts[:9], list(range(9)))
    with pytest.raises(ConfigError, match="keep='best'"):
        tuned(tiny_encoder, texts[:24], labels[:24], training=TrainingConfig(keep="best"))
    with pytest.raises(ConfigError, match="imbalance='focal'"):
        tuned(tiny_encoder, texts[:24], labels[:24], imbalance="focal")
    with pytest.raises(ConfigError, match=r"validation=.*Contrastive\(\)"):
        TextClassifier(tiny_encoder, transfer=Contrastive()).fit(
            texts[:24], labels[:24], validation=Corpus(texts[24:], labels[24:])
        )


def test_layers_that_begin_with_other_weights_are_not_averaged(tiny_encoder, orders):
    with pytest.raises(ConfigError, match="averages the weights of several trainings"):
        tuned(tiny_encoder, *orders, [FullFineTune(reinit_layers=1), Contrastive(seeds=2)])


def test_rows_of_a_source_count_for_the_number_of_epochs(tiny_encoder, orders, monkeypatch):
    counts = []
    real = tuned_stage.contrast_config
    monkeypatch.setattr(
        tuned_stage,
        "contrast_config",
        lambda transfers, n, classes: counts.append(n) or real(transfers, n, classes),
    )
    texts, labels = (part[:40] for part in orders)
    training = TrainingConfig(max_steps=1)
    transfer = [Contrastive(), SourceRows()]
    model = TextClassifier(tiny_encoder, transfer=transfer, training=training, device="cpu")
    model.fit(texts, labels, source=Corpus(*(part[40:] for part in orders)))
    assert counts[-1] == 200
