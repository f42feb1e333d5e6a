from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nlptl import (
    Corpus,
    CoTraining,
    FineTuneFirst,
    FullFineTune,
    FusedEncoder,
    LabelMeaning,
    MeanAlignment,
    MultiTaskModel,
    SourceRows,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
    WordEdits,
)
from nlptl.base.errors import ConfigError
from nlptl.cli.main import main
from nlptl.encoders import Concatenation
from nlptl.fitting import fit as fit_module
from nlptl.fitting import head_inputs
from nlptl.fitting import tuning_first as module
from nlptl.heads import LogisticHead
from nlptl.heads.calibration.decision import spread_of
from nlptl.heads.linear.logistic import DEFAULT_C
from nlptl.training.checkpoints import Keeper

TRAINING = TrainingConfig(epochs=2, quiet=True, refit=False)
WORDS = ("parcel came late box broken money back".split(), "password reset add app".split())


def texts_of(n, seed):
    """Return texts of two topics, and the topics."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(2, size=n)
    return [" ".join(rng.choice(WORDS[topic], 6)) for topic in topics], topics.tolist()


SOURCE, POOL = Corpus(*texts_of(40, 0)), Corpus(texts_of(30, 1)[0])
TEXTS, LABELS = texts_of(20, 2)


def fused(encoder):
    return FusedEncoder((encoder, TfidfEncoder()), fusion=Concatenation(sparse=True))


def test_it_equals_a_tuned_encoder_that_is_used_frozen(tiny_encoder):
    adapts = [MeanAlignment(), CoTraining(teachers="all")]  # as CoTraining() after a tuning
    model = TextClassifier(
        fused(TransformerEncoder(tiny_encoder)),
        transfer=[FineTuneFirst(), MeanAlignment(), CoTraining()],
        training=TRAINING,
    ).fit([], [], source=SOURCE, unlabeled=POOL)
    tuned = TextClassifier(tiny_encoder, transfer=FullFineTune(), training=TRAINING)
    encoder = tuned.fit([], [], source=SOURCE).fitted_.features.encoder
    steps = TextClassifier(fused(encoder), transfer=adapts)
    steps.fit([], [], source=SOURCE, unlabeled=POOL)
    assert (model.predict(POOL.rows) == steps.predict(POOL.rows)).all()
    assert model.history_.losses == tuned.history_.losses


@pytest.mark.parametrize("pool", [None, POOL])
def test_it_is_as_confident_as_the_head_of_the_tuning(tiny_encoder, monkeypatch, pool):
    """The encoder was tuned on the rows of the new head, so they cannot calibrate it."""
    stages, plain = [], module.tuned

    def watched(plan, data):
        inputs, head, history = plain(plan, data)
        head = replace(head, decision=replace(head.decision, temperature=3.0))
        stages.append((inputs.features, head))
        return inputs, head, history

    monkeypatch.setattr(module, "tuned", watched)
    encoder = tiny_encoder if pool is None else fused(TransformerEncoder(tiny_encoder))
    transfer = [FineTuneFirst()] if pool is None else [FineTuneFirst(), MeanAlignment()]
    model = TextClassifier(encoder, transfer=transfer, training=TRAINING)
    model.fit([], [], source=SOURCE, unlabeled=pool)
    rows = SOURCE.rows if pool is None else pool.rows
    features, head = stages[0]
    expected = spread_of(head.logits(features.transform(rows))) / 3.0
    fitted = model.fitted_
    logits = fitted.scorer.logits(fitted.features.transform(rows))
    assert spread_of(logits) / fitted.scorer.decision.temperature == pytest.approx(expected)


def test_nothing_is_chosen_on_rows_that_the_encoder_was_tuned_on(tiny_encoder):
    texts, labels = texts_of(220, 4)  # enough to choose layers and a strength
    model = TextClassifier(tiny_encoder, transfer=FineTuneFirst(), training=TRAINING)
    fitted = model.fit(texts, labels).fitted_
    assert isinstance(fitted.scorer.head, LogisticHead) and fitted.scorer.head.C == DEFAULT_C
    assert len(fitted.features.encoder.groups) == 1


def test_all_views_label_the_texts_after_a_tuning(tiny_encoder, monkeypatch):
    tuned, plain = [], fit_module.co_trained
    monkeypatch.setattr(
        fit_module, "co_trained", lambda *a, **k: tuned.append(k["tuned"]) or plain(*a, **k)
    )
    encoder = fused(TransformerEncoder(tiny_encoder))
    for transfer in ([CoTraining()], [FineTuneFirst(), CoTraining()]):
        model = TextClassifier(encoder, transfer=transfer, training=TRAINING)
        model.fit([], [], source=SOURCE, unlabeled=POOL)
    assert tuned == [False, True]


def test_a_source_is_added_to_the_target_without_another_transfer(tiny_encoder):
    model = TextClassifier(tiny_encoder, transfer=FineTuneFirst(), training=TRAINING)
    model.fit(TEXTS, LABELS, source=SOURCE)
    alone = TextClassifier(tiny_encoder, transfer=FineTuneFirst(), training=TRAINING)
    alone.fit(TEXTS, LABELS)
    assert not np.allclose(model.predict_proba(TEXTS), alone.predict_proba(TEXTS))


def test_edited_copies_are_added_after_the_tuning(tiny_encoder, monkeypatch):
    seen, plain = [], module.tuned

    def watched(plan, data):
        seen.append(data.extra)
        return plain(plan, data)

    monkeypatch.setattr(module, "tuned", watched)
    transfer = [FineTuneFirst(), WordEdits()]
    TextClassifier(tiny_encoder, transfer=transfer, training=TRAINING).fit(TEXTS, LABELS)
    assert seen == [None]


def test_a_chosen_share_is_chosen_before_the_tuning(tiny_encoder, monkeypatch):
    order, plain = [], module.tuned
    monkeypatch.setattr(
        module, "tuned", lambda plan, data: order.append("tuned") or plain(plan, data)
    )
    chosen = head_inputs.chosen_share
    monkeypatch.setattr(
        head_inputs, "chosen_share", lambda *a, **k: order.append("share") or chosen(*a, **k)
    )
    texts, labels = texts_of(120, 5)
    transfer = [FineTuneFirst(), SourceRows()]
    model = TextClassifier(tiny_encoder, transfer=transfer, training=TRAINING)
    model.fit(texts, labels, source=SOURCE)
    assert order == ["share", "tuned"]


@pytest.mark.parametrize("adapter", [False, True])
def test_a_head_alone_is_fitted_to_the_tuned_encoder_and_saved(tiny_encoder, tmp_path, adapter):
    model = TextClassifier(
        tiny_encoder, transfer=FineTuneFirst(adapter=adapter), training=TRAINING
    ).fit(TEXTS, LABELS)
    untuned = TextClassifier(tiny_encoder).fit(TEXTS, LABELS)
    encoders = [m.fitted_.features.encoder for m in (model, untuned)]
    assert encoders[0].fingerprint != encoders[1].fingerprint
    again = TextClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-4)
    assert again.transfer == model.transfer


def test_source_and_target_rows_are_tuned_on_together(tiny_encoder, monkeypatch):
    seen, plain = [], module.tuned

    def watched(plan, data):
        seen.append((len(data.rows), len(data.extra[0])))
        return plain(plan, data)

    monkeypatch.setattr(module, "tuned", watched)
    transfer = [FineTuneFirst(), SourceRows(share=0.5, private=True)]
    model = TextClassifier(tiny_encoder, transfer=transfer, training=TRAINING)
    assert len(model.fit(TEXTS, LABELS, source=SOURCE).predict(TEXTS)) == 20
    assert seen == [(20, 40)]


def test_pairs_several_labels_and_numbers_are_supported(tiny_encoder):
    transfer = FineTuneFirst()
    pairs = [(text, text) for text in TEXTS]
    classifier = TextClassifier(tiny_encoder, transfer=transfer, training=TRAINING)
    assert len(classifier.fit(pairs, LABELS).predict(pairs)) == 20
    assert len(classifier.fit(TEXTS, [{label} for label in LABELS]).predict(TEXTS)) == 20
    numbers = TextRegressor(tiny_encoder, transfer=transfer, training=TRAINING)
    assert len(numbers.fit(TEXTS, [float(label) for label in LABELS]).predict(TEXTS)) == 20


def test_what_cannot_be_tuned_is_refused(tiny_encoder):
    with pytest.raises(ConfigError, match="tunes a transformer, got TfidfEncoder"):
        TextClassifier(TfidfEncoder(), transfer=FineTuneFirst()).fit(TEXTS, LABELS)
    names = LabelMeaning({0: "parcels", 1: "passwords"})
    model = TextClassifier(tiny_encoder, transfer=[FineTuneFirst(), names])
    with pytest.raises(ConfigError, match="labelled rows of every class"):
        model.fit([], [])
    more = LabelMeaning({0: "parcels", 1: "passwords", 2: "money"})
    with pytest.raises(ConfigError, match="labelled rows of every class"):
        model.set_params(transfer=[FineTuneFirst(), more]).fit(TEXTS, LABELS)
    focal = TextClassifier(tiny_encoder, transfer=FineTuneFirst(), imbalance="focal")
    with pytest.raises(ConfigError, match="focal"):
        focal.fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="FineTuneFirst"):
        model.set_params(transfer=FineTuneFirst()).fit(TEXTS, LABELS, validation=SOURCE)
    tasks = MultiTaskModel({"topic": "single_label"}, transfer=FineTuneFirst())
    with pytest.raises(ConfigError, match="FineTuneFirst"):
        tasks.fit({"topic": (TEXTS, LABELS)})


def test_a_killed_fit_resumes_exactly(tiny_encoder, tmp_path, monkeypatch):
    training = replace(TRAINING, checkpoints=str(tmp_path / "kept"), save_steps=2, epochs=3)
    model = TextClassifier(tiny_encoder, transfer=FineTuneFirst(), training=training)
    whole = TextClassifier(
        tiny_encoder, transfer=FineTuneFirst(), training=replace(TRAINING, epochs=3)
    )
    plain, kept = Keeper.save, []

    def killed(self, *args, **options):
        plain(self, *args, **options)
        kept.append(1)
        if len(kept) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            model.fit(TEXTS, LABELS)
    assert list((tmp_path / "kept" / "pretraining-0").rglob("step-*"))
    model.fit(TEXTS, LABELS)
    assert model.history_.resumed_from > 0
    expected = whole.fit(TEXTS, LABELS).predict_proba(TEXTS)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder):
    folder = tmp_path_factory.mktemp("room")
    pd.DataFrame({"text": SOURCE.rows.texts, "label": SOURCE.labels}).to_csv(folder / "source.csv")
    pd.DataFrame({"text": POOL.rows.texts}).to_csv(folder / "pool.csv")
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(folder / "train.csv")
    return folder


def command(room, encoder, name, transfer="tunefirst+means"):
    options = {"transfer": transfer, "encoder": encoder, "output": room / name}
    options |= {"source": room / "source.csv", "unlabeled": room / "pool.csv", "test-share": 0}
    options |= {"training.epochs": 1, "training.precision": "float32"}
    flags = [word for option, value in options.items() for word in (f"--{option}", value)]
    return ["train", *map(str, [room / "train.csv", *flags])]


def test_the_command_line_knows_it(room, tiny_encoder):
    assert main(command(room, tiny_encoder, "line")) == 0
    assert TextClassifier.load(room / "line").transfer == [FineTuneFirst(), MeanAlignment()]


def test_the_command_line_shows_the_transfers_that_are_added(room, tiny_encoder, capsys):
    assert main(command(room, tiny_encoder, "added", "tunefirst")) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Recommended transfer: FineTuneFirst" in shown and "SelfTraining" in shown


@pytest.mark.slow
def test_two_processes_end_where_one_does(room, launch, tiny_encoder):
    for name, processes in (("alone", 1), ("two", 2)):
        done = launch("-m", "nlptl", *command(room, tiny_encoder, name), processes=processes)
        assert done.returncode == 0, done.err
    one, two = (TextClassifier.load(room / name).predict_proba(TEXTS) for name in ("alone", "two"))
    np.testing.assert_allclose(one, two, atol=0.05)


def test_a_label_of_several_without_rows_is_accepted(tiny_encoder):
    labels = np.array([[1, 0, 0], [0, 1, 0]] * 10)  # no row has the third label
    training = TrainingConfig(max_steps=1, restarts=0, quiet=True)
    model = TextClassifier(tiny_encoder, transfer=FineTuneFirst(), training=training)
    assert model.fit(TEXTS, labels).predict(TEXTS[:1]).shape == (1, 3)
