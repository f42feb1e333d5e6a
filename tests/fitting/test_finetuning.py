from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from transformers import pipeline

from nlptl import (
    L2SP,
    BlendHead,
    Corpus,
    FullFineTune,
    LogisticHead,
    LoRA,
    MLPHead,
    OrdinalHead,
    PrototypeHead,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.fitting import finetuning as module_of_tuner
from nlptl.fitting.training_goals import loss_of
from nlptl.fitting.warm_head import linear_map
from nlptl.heads.calibration.imbalance import as_imbalance
from nlptl.training.config import LoopConfig
from nlptl.training.history import History

CONFIG = TrainingConfig(epochs=3, batch_size=8, learning_rate=3e-3, refit=False)
SHORT = TrainingConfig(max_steps=4, batch_size=8, refit=False, restarts=0)


@pytest.fixture(scope="module")
def orders():
    """Texts whose class is the order of two words, which a weak head does not read off."""
    rng = np.random.default_rng(0)
    filler = ["parcel", "money", "phone", "app", "card"]
    texts, labels = [], []
    for _ in range(240):
        first, second = ("late", "help") if rng.random() < 0.5 else ("help", "late")
        words = [first, rng.choice(filler), second]
        texts.append(" ".join(words))
        labels.append(f"{first} first")
    return texts, labels


WEAK = LogisticHead(C=1.0)
"""A head that the tuning of the encoder has to help."""


def tuned(encoder, texts, labels, **options):
    given = {"transfer": FullFineTune(), "training": CONFIG, "device": "cpu", **options}
    return TextClassifier(encoder, **given).fit(texts, labels)


def test_tuning_learns_what_frozen_features_do_not_show(tiny_encoder, orders):
    texts, labels = orders
    model = tuned(tiny_encoder, texts[:160], labels[:160], head=WEAK)
    assert model.score(texts[160:], labels[160:]) > 0.95
    assert model.history_.losses[-1] < 0.5 * model.history_.losses[0]
    frozen = TextClassifier(tiny_encoder, head=WEAK).fit(texts[:160], labels[:160])
    assert frozen.score(texts[160:], labels[160:]) < 0.92


def test_the_start_is_the_frozen_rung(tiny_encoder, orders):
    texts, labels = orders
    still = TrainingConfig(epochs=1, learning_rate=1e-12)
    model = tuned(tiny_encoder, texts, labels, training=still, head=LogisticHead(C=1.0))
    encoder = TransformerEncoder(
        tiny_encoder, pooling=Pooling(normalize=False), precision="float32"
    )
    frozen = TextClassifier(encoder, head=LogisticHead(C=1.0)).fit(texts, labels)
    assert (model.predict(texts) == frozen.predict(texts)).mean() > 0.97


def test_the_same_seed_gives_the_same_weights_and_the_source_stays(tiny_encoder, orders):
    texts, labels = orders
    before = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()
    runs = [
        tuned(tiny_encoder, texts[:60], labels[:60], seed=seed, training=SHORT)
        for seed in (3, 3, 4)
    ]
    first, same, other = (r.fitted_.features.encoder.weights.model.state_dict() for r in runs)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    after = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_only_the_layers_asked_for_change(tiny_encoder, orders):
    texts, labels = orders
    transfer = FullFineTune(layers=1)
    model = tuned(tiny_encoder, texts[:60], labels[:60], transfer=transfer, training=SHORT)
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
    model = tuned(tiny_encoder, texts[:60], labels[:60], head=head, training=SHORT)
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    assert again.transfer == FullFineTune()
    assert again.training == SHORT


def test_every_family_of_encoders_is_tuned_saved_and_read(any_encoder, orders, tmp_path):
    texts, labels = orders
    pairs = [tuple(text.split(" ", 1)) for text in texts]
    long = replace(CONFIG, epochs=6)
    for rows, training in ((texts, long), (pairs, SHORT)):
        model = tuned(any_encoder, rows[:120], labels[:120], training=training)
        if training is long:
            losses = model.history_.losses
            assert losses[-1] < max(losses[0], 1e-3)
            assert model.score(rows[120:], labels[120:]) > 0.9
        again = TextClassifier.load(model.save(tmp_path / "m"))
        np.testing.assert_allclose(again.predict_proba(rows), model.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("reading", ["joint", "separate"])
@pytest.mark.parametrize(
    "transfer",
    [FullFineTune(), pytest.param(LoRA(), marks=pytest.mark.slow)],
    ids=["full", "lora"],
)
def test_pairs_are_read_together_or_one_by_one(tiny_encoder, orders, tmp_path, reading, transfer):
    texts, labels = orders
    pairs = [tuple(text.split(" ", 1)) for text in texts]
    options = {"pair_encoding": reading, "transfer": transfer, "head": WEAK}
    model = tuned(tiny_encoder, pairs[:160], labels[:160], **options)
    assert model.fitted_.features.joint == (reading == "joint")
    assert model.score(pairs[160:], labels[160:]) > 0.95
    assert model.history_.losses[-1] < 0.7 * model.history_.losses[0]
    again = TextClassifier.load(model.save(tmp_path / "m"))
    assert again.pair_encoding == reading
    np.testing.assert_allclose(again.predict_proba(pairs), model.predict_proba(pairs), atol=1e-5)


def test_validation_rows_decide_how_long(tiny_encoder, orders):
    texts, labels = orders
    unseen = Corpus(texts[160:], labels[160:])
    config = replace(CONFIG, epochs=2)
    model = tuned(tiny_encoder, texts[:160], labels[:160], training=config)
    assert model.history_.scores == []
    stopped = TextClassifier(tiny_encoder, transfer=FullFineTune(), training=config, device="cpu")
    stopped.fit(texts[:160], labels[:160], validation=unseen)
    assert len(stopped.history_.scores) == len(stopped.history_.losses)
    with pytest.raises(InputError, match="one Corpus with labels"):
        stopped.fit(texts, labels, validation=Corpus(texts))


@pytest.mark.parametrize(
    ("encoder", "options", "said"),
    [
        (StaticEncoder(), {}, "tunes a transformer, got StaticEncoder"),
        (None, {"head": PrototypeHead()}, "Expected a linear head or a network"),
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
    with pytest.raises(ConfigError, match="does nothing for several labels per text"):
        tuned(tiny_encoder, texts, several, imbalance="logit_adjust")


def test_rare_labels_of_several_weigh_more(tiny_encoder, orders):
    texts = orders[0]
    marks = np.zeros((120, 2), np.int64)
    marks[::10, 0] = 1  # one row in ten, by nothing that the text shows
    marks[::2, 1] = 1
    config = replace(CONFIG, validation_share=0.0)  # no temperature between
    given = {"training": config, "head": LogisticHead(C=0.01)}
    plain = tuned(tiny_encoder, texts[:120], marks, **given)
    weighed = tuned(tiny_encoder, texts[:120], marks, imbalance="balanced", **given)
    losses = loss_of(as_imbalance("balanced"), Targets(marks, 2))
    assert losses.present[0] == pytest.approx(3 * losses.absent[0])
    assert losses.present[1] == losses.absent[1] == 1.0
    more = weighed.predict_proba(texts).mean(axis=0) / plain.predict_proba(texts).mean(axis=0)
    assert more[0] > 1.3 * more[1]


LORA = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-3, refit=False)


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_learns_is_saved_and_read(tiny_encoder, orders, tmp_path, merge):
    texts, labels = orders
    given = {"transfer": LoRA(rank=4, merge=merge), "training": LORA, "head": WEAK}
    model = tuned(tiny_encoder, texts[:160], labels[:160], **given)
    assert model.score(texts[160:], labels[160:]) > 0.95 and not model.history_.restarts
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))
    kept = "encoder/encoder/adapter/adapter_model.safetensors" in files_of(tmp_path / "m")
    assert kept is not merge
    # What was read can be saved, and tuned on, like the first.
    third = TextClassifier.load(again.save(tmp_path / "n"))
    np.testing.assert_array_equal(third.predict_proba(texts), model.predict_proba(texts))
    saved_encoder = tmp_path / "n" / "encoder" / "encoder"
    more = tuned(saved_encoder, texts[:120], labels[:120], training=SHORT)
    more.save(tmp_path / "o")
    assert not any("adapter" in name for name in files_of(tmp_path / "o"))


def test_merging_changes_no_prediction(tiny_encoder, orders):
    texts, labels = orders
    both = [
        tuned(tiny_encoder, texts[:80], labels[:80], transfer=LoRA(merge=merge), training=SHORT)
        for merge in (True, False)
    ]
    np.testing.assert_array_equal(*[model.predict_proba(texts) for model in both])


@pytest.mark.slow
def test_every_family_takes_an_adapter(any_encoder, orders, tmp_path):
    texts, labels = orders
    # Random encoders see hardly any difference: a head left free would magnify rounding.
    given = {"transfer": LoRA(merge=False), "training": LORA, "head": WEAK}
    model = tuned(any_encoder, texts[:120], labels[:120], **given)
    assert model.history_.losses[-1] < max(model.history_.losses[0], 1e-3)
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)


def test_a_model_with_an_adapter_is_fitted_again_and_saved(tiny_encoder, orders, tmp_path):
    texts, labels = orders
    given = {"transfer": LoRA(merge=False), "training": SHORT, "head": WEAK}
    first = tuned(tiny_encoder, texts[:80], labels[:80], **given).save(tmp_path / "first")
    model = TextClassifier.load(first).fit(texts[:80], labels[:80])
    again = TextClassifier.load(model.save(tmp_path / "second"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    assert not list((tmp_path / "second").rglob("adapter_model.safetensors"))


@pytest.mark.parametrize("transfer", [FullFineTune(), LoRA(merge=False)], ids=["full", "lora"])
def test_every_family_is_tuned_with_its_own_pooling(any_encoder, orders, tmp_path, transfer):
    texts, labels = orders
    stock = TransformerEncoder(any_encoder, pooling=Pooling(tokens="stock", normalize=False))
    model = tuned(stock, texts[:60], labels[:60], transfer=transfer, training=SHORT)
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    frozen = stock.transform(texts[:9])
    np.testing.assert_allclose(stock.transform(texts[:9]), frozen)


@pytest.mark.parametrize(
    "config",
    [
        {"peft_type": "IA3", "target_modules": ["key", "value"], "feedforward_modules": []},
        {"peft_type": "LN_TUNING", "target_modules": ["LayerNorm"]},
        {"use_dora": True, "r": 4, "target_modules": "all-linear"},
    ],
)
def test_other_adapters_of_peft_pass_through(tiny_encoder, orders, tmp_path, config):
    texts, labels = orders
    transfer = LoRA(config=config, rate=1.0)
    model = tuned(tiny_encoder, texts[:60], labels[:60], transfer=transfer, training=SHORT)
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    assert again.transfer == transfer


def test_the_settings_of_peft_may_be_its_own_object(tiny_encoder, orders):
    import peft

    transfer = LoRA(config=peft.LoraConfig(r=3, target_modules=["query"]))
    assert transfer.config["r"] == 3
    assert transfer == LoRA(config=transfer.config)
    with pytest.raises(ConfigError, match="trains a prompt"):
        tuned(
            tiny_encoder,
            *orders,
            transfer=LoRA(config=peft.PromptTuningConfig(num_virtual_tokens=2)),
        )


def test_only_the_adapter_and_the_head_learn(tiny_encoder, orders):
    texts, labels = orders
    transfer = LoRA(merge=False)
    model = tuned(tiny_encoder, texts[:80], labels[:80], transfer=transfer, training=SHORT)
    adapter = model.fitted_.features.encoder.weights.adapter
    assert {name.rpartition(".lora_")[2] for name in adapter.arrays} == {"A.weight", "B.weight"}
    assert not any("pooler" in name for name in adapter.arrays)
    own = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()
    tuned_weights = model.fitted_.features.encoder.weights.model.state_dict()
    still = [n for n in own if "LayerNorm" in n or "embeddings" in n or n.endswith("bias")]
    assert len(still) > 10
    assert all(torch.equal(own[name], tuned_weights[name]) for name in still)


@pytest.mark.parametrize(
    "transfer",
    [
        FullFineTune(gradual=True),
        pytest.param(FullFineTune(reinit_layers=1), marks=pytest.mark.slow),
        pytest.param(FullFineTune(head_first=False), marks=pytest.mark.slow),
        pytest.param(FullFineTune(freeze_embeddings=True), marks=pytest.mark.slow),
        [FullFineTune(), L2SP(1e-3)],
        pytest.param([L2SP(1e-3), LoRA(rate=2.0)], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_other_ways_of_tuning_learn_too(tiny_encoder, orders, tmp_path, transfer):
    texts, labels = orders
    given = {"transfer": transfer, "training": replace(CONFIG, epochs=5), "head": WEAK}
    model = tuned(tiny_encoder, texts[:160], labels[:160], **given)
    assert model.score(texts[160:], labels[160:]) > 0.95 and not model.history_.restarts
    again = TextClassifier.load(model.save(tmp_path / "m"))
    assert again.transfer == transfer


def test_a_strong_anchor_holds(tiny_encoder, orders):
    texts, labels = orders
    own = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.state_dict()

    def moved(transfer):
        model = tuned(tiny_encoder, texts[:80], labels[:80], transfer=transfer)
        found = model.fitted_.features.encoder.weights.model.state_dict()
        return sum(float((found[n] - own[n]).square().sum()) for n in own)

    assert moved(L2SP(10.0)) < 0.2 * moved(FullFineTune())


def test_the_focal_loss_is_followed_or_refused(tiny_encoder, orders):
    texts, labels = orders
    fresh = FullFineTune(head_first=False)  # begins near the loss of the class shares
    plain, focal = (
        tuned(tiny_encoder, texts[:120], labels[:120], imbalance=name, transfer=fresh)
        for name in (None, "focal")
    )
    assert focal.score(texts[120:], labels[120:]) > 0.9
    assert focal.history_.steps[0] < 0.4 * plain.history_.steps[0]
    with pytest.raises(ConfigError, match="encoder is frozen"):
        TextClassifier(tiny_encoder, imbalance="focal").fit(texts, labels)


@pytest.mark.slow
def test_long_texts_are_learnt_from_in_windows(tiny_encoder, orders):
    texts, labels = orders
    padding = "parcel money phone app card " * 8  # the words that tell come after the window
    long = [padding + text for text in texts]
    encoder = TransformerEncoder(tiny_encoder, max_length=24)
    config = TrainingConfig(epochs=15, batch_size=8, learning_rate=3e-3, refit=False)
    whole = tuned(encoder, long[:160], labels[:160], training=config)
    cut = tuned(encoder, long[:160], labels[:160], long_texts="cut")
    assert whole.score(long[160:], labels[160:]) > 0.9
    assert cut.score(long[160:], labels[160:]) < 0.7


def test_the_best_epoch_is_kept_by_any_metric(tiny_encoder, orders):
    texts, labels = orders
    config = TrainingConfig(
        epochs=4, batch_size=8, learning_rate=3e-3, metric="macro_f1", keep="best", refit=False
    )
    model = tuned(tiny_encoder, texts, labels, training=config)
    scores = model.history_.scores
    assert model.history_.best_epoch == scores.index(max(scores)) + 1
    assert 0 <= min(scores) <= max(scores) <= 1
    with pytest.raises(ConfigError, match="Did you mean 'macro_f1'"):
        tuned(tiny_encoder, texts, labels, training=replace(SHORT, metric="macro_f2", keep="best"))
    with pytest.raises(ConfigError, match="too few"):
        tuned(tiny_encoder, texts[:50], labels[:50], training=TrainingConfig(keep="best"))


def test_an_interrupted_fit_goes_on_from_its_checkpoint(
    tiny_encoder, orders, tmp_path, monkeypatch
):
    from nlptl.training.networks import text_feed

    texts, labels = orders
    plain = TrainingConfig(epochs=3, batch_size=8, learning_rate=3e-3, restarts=0, refit=False)
    config = replace(plain, checkpoints=str(tmp_path / "c"), save_steps=5)
    whole = tuned(tiny_encoder, texts, labels, training=plain)
    left = iter(range(40))
    real = text_feed.TextFeed.passes

    def dies(self, epoch, step):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return real(self, epoch, step)

    with monkeypatch.context() as patched:
        patched.setattr(text_feed.TextFeed, "passes", dies)
        with pytest.raises(KeyboardInterrupt):
            tuned(tiny_encoder, texts, labels, training=config)
    again = tuned(tiny_encoder, texts, labels, training=config)
    assert again.history_.resumed_from == 40
    assert again.history_.steps == whole.history_.steps
    np.testing.assert_array_equal(again.predict_proba(texts), whole.predict_proba(texts))
    with pytest.raises(ConfigError, match="differ in rows"):
        tuned(tiny_encoder, texts[:200], labels[:200], training=config)


def test_a_collapsed_training_begins_again(tiny_encoder, orders, monkeypatch, caplog):
    from nlptl.training.networks import text_training

    texts, labels = orders
    found = iter(["it predicts one class for every row", None])
    monkeypatch.setattr(text_training, "collapse", lambda *_, **__: next(found))
    model = tuned(tiny_encoder, texts, labels, training=replace(SHORT, restarts=1))
    assert model.history_.restarts == ["it predicts one class for every row"]
    assert "It restarts with another seed" in caplog.text


def test_a_rate_that_breaks_the_network_is_told(tiny_encoder, orders, caplog):
    texts, labels = orders
    config = TrainingConfig(epochs=2, batch_size=8, learning_rate=30.0, restarts=1, refit=False)
    model = tuned(tiny_encoder, texts, labels, training=config)
    assert len(model.history_.restarts) == 1
    assert "The untrained network is kept" in caplog.text
    encoder = model.fitted_.features.encoder
    before = TransformerEncoder(tiny_encoder, precision="float32", pooling=encoder.reader.pooling)
    np.testing.assert_allclose(encoder.transform(texts[:5]), before.transform(texts[:5]), atol=1e-4)
    assert model.score(texts, labels) > 0.6


def test_attention_is_dropped_only_where_asked(tiny_encoder):
    from nlptl.encoders.contextual.loaded import read_encoder as read

    folder = find_encoder(tiny_encoder)
    for wanted in (True, False):
        model = read(folder, "float32", "cpu", attention_dropout=wanted).model
        dropped = [
            part.p
            for name, part in model.named_modules()
            if isinstance(part, torch.nn.Dropout) and name.endswith("attention.self.dropout")
        ]
        assert dropped == [0.1 if wanted else 0.0] * 3
        assert model.config.attention_probs_dropout_prob == 0.1


@pytest.mark.slow
def test_few_rows_are_learnt_from_again_all_together(tiny_encoder, orders, tmp_path, monkeypatch):
    from nlptl.training.networks import text_training

    texts, labels = orders
    seen = []
    real = text_training.tune

    def spy(build, rows, how, *, score):
        seen.append((len(rows), how.config.epochs, how.config.checkpoints))
        return real(build, rows, how, score=score)

    monkeypatch.setattr(text_training, "tune", spy)
    folder = str(tmp_path / "c")
    config = replace(CONFIG, checkpoints=folder, refit=None)
    model = tuned(tiny_encoder, texts, labels, training=config)
    assert seen == [(216, 3, folder), (240, 3, str(tmp_path / "c" / "all-rows"))]
    assert model.fitted_.scorer.decision.temperature != 1.0
    once = tuned(tiny_encoder, texts, labels, training=replace(CONFIG, refit=False))
    assert once.fitted_.scorer.decision.temperature == model.fitted_.scorer.decision.temperature
    seen.clear()
    chosen = tuned(tiny_encoder, texts, labels, training=replace(CONFIG, keep="best", refit=True))
    assert seen[1][1] == seen[0][1] == 3 or seen[1][1] < 3
    assert chosen.score(texts, labels) > 0.95
    seen.clear()
    short = replace(SHORT, refit=None)
    tuned(tiny_encoder, texts[:99], labels[:99], training=short)
    monkeypatch.setattr(module_of_tuner, "MAX_ROWS_TO_TRAIN_AGAIN", 200)
    tuned(tiny_encoder, texts, labels, training=short)
    assert [n for n, *_ in seen] == [99, 216]


@pytest.mark.parametrize(
    ("transfer", "averaged"),
    [
        (FullFineTune(), True),
        (FullFineTune(head_first=False), False),
        (LoRA(), True),
        (LoRA(merge=False), True),
        (LoRA(dora=True, merge=False), False),
    ],
)
def test_two_trainings_from_one_start_are_averaged(
    tiny_encoder, orders, monkeypatch, tmp_path, transfer, averaged
):
    from nlptl.training.networks import text_training
    from nlptl.training.networks.embeddings import put_back

    texts, labels = orders
    found = []
    real = text_training.tune

    def spy(*given, **options):
        network, history = real(*given, **options)
        put_back(network.encoder)
        found.append({name: w.clone() for name, w in network.encoder.state_dict().items()})
        return network, history

    monkeypatch.setattr(text_training, "tune", spy)
    # So short a training looks like a collapse.
    monkeypatch.setattr(text_training, "collapse", lambda *_, **__: None)
    short = replace(SHORT, refit=None)
    model = tuned(tiny_encoder, texts[:120], labels[:120], transfer=transfer, training=short)
    own = model.fitted_.features.encoder.weights.model.state_dict()
    first, second = found
    moved = [name for name in own if own[name].is_floating_point()]
    assert not all(torch.equal(first[name], second[name]) for name in moved)
    for name in moved:
        wanted = (first[name] + second[name]) / 2 if averaged else second[name]
        torch.testing.assert_close(own[name], wanted)
    model.save(tmp_path / "model")  # an adapter beside the encoder gives the same answers


@pytest.mark.parametrize("rows", [97, 113])
def test_a_batch_of_one_row_is_no_trouble_for_a_head_that_normalises(tiny_encoder, orders, rows):
    texts, labels = orders
    config = TrainingConfig(epochs=1, batch_size=16, refit=False, validation_share=0.0)
    head = MLPHead((8,))
    assert head.batch_norm and rows % 16 == 1
    model = tuned(tiny_encoder, texts[:rows], labels[:rows], head=head, training=config)
    assert np.isfinite(model.predict_proba(texts)).all()


def test_checkpoints_of_another_head_or_other_weights_are_refused(tiny_encoder, orders, tmp_path):
    texts, labels = orders[0][:60], orders[1][:60]
    config = replace(SHORT, checkpoints=str(tmp_path / "c"), save_steps=2)
    first = tuned(tiny_encoder, texts, labels, training=config, head=LogisticHead(C=1.0))
    again = tuned(tiny_encoder, texts, labels, training=config, head=LogisticHead(C=1.0))
    assert again.history_.resumed_from == 4
    np.testing.assert_array_equal(again.predict_proba(texts), first.predict_proba(texts))
    with pytest.raises(ConfigError, match="differ in head"):
        tuned(tiny_encoder, texts, labels, training=config, head=LogisticHead(C=100.0))
    model = TextClassifier(
        tiny_encoder, transfer=FullFineTune(), training=config, head=LogisticHead(C=1.0)
    )
    with pytest.raises(ConfigError, match="differ in weights"):
        model.fit(texts, labels, sample_weight=np.linspace(0.5, 2.0, 60))


@pytest.mark.parametrize("kind", ["two", "several", "numbers"])
def test_linear_heads_of_scikit_learn_are_where_training_begins(tiny_encoder, orders, kind):
    texts, labels = orders[0][:120], orders[1][:120]
    still = TrainingConfig(epochs=1, learning_rate=1e-12, validation_share=0.0)
    encoder = TransformerEncoder(
        tiny_encoder, pooling=Pooling(normalize=False), precision="float32"
    )
    if kind == "numbers":
        numbers = np.arange(120) % 7 * 1.0
        given = {"head": Ridge(), "device": "cpu"}
        frozen = TextRegressor(encoder, **given).fit(texts, numbers)
        model = TextRegressor(tiny_encoder, transfer=FullFineTune(), training=still, **given)
        found, wanted = model.fit(texts, numbers).predict(texts), frozen.predict(texts)
        assert np.corrcoef(found, wanted)[0, 1] > 0.95
        return
    if kind == "several":
        labels = [[label, "all"] if i % 3 else [] for i, label in enumerate(labels)]
    frozen = TextClassifier(encoder, head=LogisticRegression()).fit(texts, labels)
    model = tuned(tiny_encoder, texts, labels, head=LogisticRegression(), training=still)
    weights, _ = linear_map(frozen.fitted_.scorer.fitted)
    assert weights.shape[0] == len(frozen.classes_)
    found, wanted = model.predict_proba(texts), frozen.predict_proba(texts)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("metric", ["rmse", pytest.param("pearson", marks=pytest.mark.slow)])
def test_numbers_are_stopped_by_their_own_figures(tiny_encoder, orders, metric):
    texts, numbers = orders[0], [float(label == "late first") for label in orders[1]]
    config = replace(CONFIG, metric=metric, keep="best")
    model = TextRegressor(tiny_encoder, transfer=FullFineTune(), training=config, device="cpu")
    model.fit(texts[:160], numbers[:160], validation=Corpus(texts[160:], numbers[160:]))
    scores = model.history_.scores
    assert len(scores) == 3 and scores[model.history_.best_epoch - 1] == max(scores)
    assert all(score <= 0 for score in scores) if metric == "rmse" else max(scores) > 0.1


def test_a_misspelt_metric_is_told_before_training(tiny_encoder, orders, monkeypatch):
    from nlptl.training.networks import text_training

    texts, labels = orders
    monkeypatch.setattr(text_training, "tune", None)
    config = replace(CONFIG, metric="acuracy", keep="best")
    with pytest.raises(ConfigError, match="'acuracy' is not known"):
        tuned(tiny_encoder, texts, labels, training=config)


def test_the_second_training_takes_as_many_epochs_as_the_first_found_best():
    config = LoopConfig(epochs=9, max_steps=50, checkpoints=None)
    early = module_of_tuner._again_on_all_rows(
        config, History(scores=[0.1, 0.3, 0.2], best_epoch=2)
    )
    assert (early.epochs, early.max_steps) == (2, None)
    parts = History(scores=[0.1, 0.3, 0.2], best_epoch=2)
    gradual = module_of_tuner._again_on_all_rows(config, parts, gradual=True)
    assert (gradual.epochs, gradual.max_steps) == (9, 50)
    config = replace(config, epochs=6, max_steps=2_000)
    long = module_of_tuner._again_on_all_rows(config, History(scores=[0.1] * 69, best_epoch=30))
    assert (long.epochs, long.max_steps) == (30, None)
    config = replace(config, max_steps=None)
    staged = module_of_tuner._again_on_all_rows(config, History(scores=[0.1] * 8, best_epoch=7))
    assert staged.epochs == 6
    config = replace(config, epochs=9, max_steps=50)
    last = module_of_tuner._again_on_all_rows(config, History(scores=[0.1, 0.3], best_epoch=2))
    assert (last.epochs, last.max_steps) == (9, 50)
    assert module_of_tuner._again_on_all_rows(config, History(best_epoch=9)).max_steps == 50
    first = History(losses=[2.0], scores=[0.5], restarts=["it predicts one class"], refused=["a"])
    both = module_of_tuner._of_both(first, History(losses=[1.0], refused=["b"]))
    assert (both.losses, both.scores) == ([1.0], [0.5])
    assert (both.restarts, both.refused) == (["it predicts one class"], ["a", "b"])


@pytest.mark.parametrize(
    ("transfer", "config", "least"),
    [
        (FullFineTune(), CONFIG, 0.8),
        (LoRA(rank=2), SHORT, 0.0),
        (FullFineTune(head_first=False), SHORT, 0.0),
    ],
)
def test_an_order_of_labels_holds_while_the_encoder_learns(
    tiny_encoder, orders, tmp_path, transfer, config, least
):
    texts = orders[0]
    order = ("low", "high", "critical")  # not that of the alphabet
    labels = [order[text.startswith("late") + ("money" in text)] for text in texts]
    stock = TransformerEncoder(tiny_encoder, pooling=Pooling(tokens="stock", normalize=False))
    given = {"head": OrdinalHead(order, C=3.0), "transfer": transfer, "training": config}
    model = tuned(tiny_encoder if least else stock, texts, labels, **given)
    layers = model.fitted_.scorer.fitted.module
    ranks = dict(zip(model.classes_.tolist(), layers.ranks.weight[:, 0].tolist(), strict=True))
    assert [ranks[label] for label in order] == [-1.0, 0.0, 1.0]
    assert model.score(texts, labels) > least
    assert model.evaluate(texts, labels)["mean_rank_error"] <= 2 * (1 - model.score(texts, labels))
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    assert again.evaluate(texts, labels) == pytest.approx(model.evaluate(texts, labels))
    if least:
        return
    answers = pipeline("text-classification", str(model.export(tmp_path / "out")), top_k=None)
    for told, sure in zip(answers(texts[:4]), model.predict_proba(texts[:4]), strict=True):
        scores = {one["label"]: one["score"] for one in told}
        found = [scores[label] for label in model.classes_.tolist()]
        np.testing.assert_allclose(found, sure, atol=1e-4)


def test_the_start_of_an_order_is_the_frozen_rung(tiny_encoder, orders):
    texts, labels = orders[0][:120], [text.split()[1] for text in orders[0][:120]]
    still = TrainingConfig(epochs=1, learning_rate=1e-12, validation_share=0.0)
    head = OrdinalHead(("phone", "app", "parcel", "money", "card"), C=10.0)
    encoder = TransformerEncoder(
        tiny_encoder, pooling=Pooling(normalize=False), precision="float32"
    )
    frozen = TextClassifier(encoder, head=head).fit(texts, labels)
    model = tuned(tiny_encoder, texts, labels, head=head, training=still)
    assert (model.predict(texts) == frozen.predict(texts)).mean() > 0.97
