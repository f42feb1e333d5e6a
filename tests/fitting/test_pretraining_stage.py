import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from nlptl import (
    ContinuedPretraining,
    Contrastive,
    Corpus,
    FullFineTune,
    FusedEncoder,
    LabelMeaning,
    LoRA,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
    judge,
)
from nlptl.base.errors import ConfigError
from nlptl.cli.main import main
from nlptl.evaluation.judge import Splits
from nlptl.fitting import change_strength, pretraining_stage
from nlptl.fitting.change_strength import STRENGTHS
from nlptl.fitting.pretraining_shelf import SHELF, Pretrained
from nlptl.fitting.pretraining_stage import with_pretraining
from nlptl.training.checkpoints import Keeper
from nlptl.training.history import History
from nlptl.transfer.features import continued_pretraining

TRAINING = TrainingConfig(epochs=1, quiet=True, refit=False)
FIRST, SECOND = (
    "parcel came late box broken money back".split(),
    "password reset add calendar phone app".split(),
)


def texts_of(n, seed, words=7):
    """Return texts of two topics, whose words occur together, and the topics."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(2, size=n)
    return [" ".join(rng.choice([FIRST, SECOND][t], words)) for t in topics], topics.tolist()


POOL, _ = texts_of(60, 0)
TEXTS, LABELS = texts_of(20, 1)


@pytest.fixture(autouse=True)
def empty_shelf():
    SHELF.results.clear()
    yield
    SHELF.results.clear()


@pytest.fixture(autouse=True)
def few_head_steps(monkeypatch):
    monkeypatch.setattr(continued_pretraining, "_MAX_HEAD_STEPS", 12)


def fitted(
    encoder,
    *transfers,
    pool=POOL,
    texts=TEXTS,
    labels=LABELS,
    seed=0,
    kind=TextClassifier,
    **training,
):
    model = kind(
        encoder=encoder, transfer=list(transfers), training=replace(TRAINING, **training), seed=seed
    )
    return model.fit(texts, labels, unlabeled=Corpus(pool))


def weights_of(model):
    return model.fitted_.features.encoder.reader.loaded.model.state_dict()


def vectors_of(model, texts=POOL):
    return model.fitted_.features.encoder.transform(texts)


def distance(model, encoder):
    old = TransformerEncoder(encoder).reader.loaded.model.state_dict()
    return sum(float((w - old[n]).square().sum()) for n, w in weights_of(model).items()) ** 0.5


def test_the_loss_of_hidden_words_falls_on_a_planted_corpus(tiny_encoder, monkeypatch):
    monkeypatch.setattr(continued_pretraining, "_MAX_HEAD_STEPS", 300)
    transfer = ContinuedPretraining(
        "words", epochs=40, learning_rate=3e-3, rows_per_step=16, strength=1.0
    )
    model = fitted(tiny_encoder, transfer)
    start, head, end = model.history_.figures["masked_word_loss"]
    # The words of a topic are equally likely. Telling the topics apart gains log(2).
    assert start > head > end + 0.3
    assert end < math.log(7) + 0.25
    assert model.history_.perplexity == [math.exp(loss) for loss in (start, head, end)]
    assert model.history_.figures["strength"] == [1.0]


def test_the_loss_of_pairs_falls_on_a_planted_corpus(tiny_encoder):
    """Both halves of a text have words of the same of twelve topics."""
    vocabulary = TransformerEncoder(tiny_encoder).folder.tokenizer.get_vocab()
    words, rng = sorted(filter(str.isalpha, vocabulary))[:48], np.random.default_rng(0)
    topics = rng.integers(12, size=200)
    pool = [" ".join(rng.choice(words[4 * topic : 4 * topic + 4], 6)) for topic in topics]
    transfer = ContinuedPretraining(epochs=6, learning_rate=3e-3, rows_per_step=16, strength=1.0)
    model = fitted(tiny_encoder, transfer, pool=pool)
    start, end = model.history_.figures["pair_loss"]
    assert start > 1.3 and end < 0.7  # of 10 texts, few have the topic of another
    names = TransformerEncoder(tiny_encoder).reader.loaded.model.state_dict()
    assert set(weights_of(model)) == set(names)


@pytest.mark.parametrize("objective", ["words", "pairs"])
def test_the_anchor_keeps_vectors_near_their_old_values(tiny_encoder, objective):
    options = {"epochs": 6, "learning_rate": 3e-3, "rows_per_step": 16, "strength": 1.0}
    old = TransformerEncoder(tiny_encoder, cache=None).with_layers((1, 2, 3)).transform(POOL)
    moved = [
        np.square(
            vectors_of(
                fitted(tiny_encoder, ContinuedPretraining(objective, anchor=anchor, **options))
            )
            - old
        )
        .sum(1)
        .mean()
        for anchor in (0.0, 30.0)
    ]
    assert moved[1] < 0.4 * moved[0]
    assert moved[0] > 1e-4


@pytest.mark.parametrize("adapter", [False, True])
def test_the_strength_is_the_share_of_the_change(tiny_encoder, adapter):
    options = {"epochs": 2, "learning_rate": 1e-3, "adapter": adapter, "anchor": 0}
    whole, half, none = (
        fitted(tiny_encoder, ContinuedPretraining(strength=s, **options)) for s in (1.0, 0.5, 0.0)
    )
    old = TransformerEncoder(tiny_encoder).reader.loaded.model.state_dict()
    assert distance(whole, tiny_encoder) > 1e-3
    for name, weight in weights_of(half).items():
        torch.testing.assert_close(weight, (old[name] + weights_of(whole)[name]) / 2)
        assert torch.equal(weights_of(none)[name], old[name])
    changed = {n for n, w in weights_of(whole).items() if not torch.equal(w, old[n])}
    assert adapter == ("embeddings.word_embeddings.weight" not in changed)


def test_the_strength_is_chosen_on_the_labelled_texts(tiny_encoder, monkeypatch):
    errors = dict(zip(STRENGTHS, (3.0, 2.0, 1.0, 1.0, 2.0), strict=True))
    asked = []

    def error(X, targets):
        assert X.shape[0] == len(TEXTS) and targets.shape == (len(TEXTS), 2)
        asked.append(X)
        return errors[STRENGTHS[len(asked) - 1]]

    monkeypatch.setattr(change_strength, "leave_one_out_error", error)
    options = {"epochs": 2, "learning_rate": 1e-3}
    chosen = fitted(tiny_encoder, ContinuedPretraining(strength="auto", **options))
    assert chosen.history_.figures["strength"] == [0.5]
    same = fitted(tiny_encoder, ContinuedPretraining(strength=0.5, **options))
    np.testing.assert_array_equal(vectors_of(chosen), vectors_of(same))
    assert len({X.tobytes() for X in asked}) == 5  # each candidate gives other features


def test_a_harmful_change_is_refused_by_the_labelled_texts(tiny_encoder, monkeypatch):
    def spoiled(self, body, config):
        model = body.fresh_model()
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(0, 3)
        loaded = replace(self.encoder.reader.loaded, model=model.eval())
        return Pretrained(loaded, History())

    monkeypatch.setattr(pretraining_stage._Stage, "_trained", spoiled)
    model = fitted(tiny_encoder, ContinuedPretraining(strength="auto"))
    assert model.history_.figures["strength"] == [0.0]
    assert distance(model, tiny_encoder) == 0


@pytest.mark.parametrize(
    "others",
    [[], [Contrastive(steps=2)], [FullFineTune()], [LoRA(merge=False)], [LoRA()]],
    ids=lambda others: "+".join(type(other).__name__ for other in others),
)
@pytest.mark.parametrize("objective", ["words", "pairs"])
def test_it_comes_before_other_transfers_and_is_saved(tiny_encoder, tmp_path, objective, others):
    options = {"epochs": 1, "learning_rate": 1e-3, "strength": 1.0}
    transfers = [ContinuedPretraining(objective, **options), *others]
    model = fitted(tiny_encoder, *transfers)
    assert distance(model, tiny_encoder) > 1e-3
    model.save(tmp_path / "model")
    loaded = TextClassifier.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-5)
    assert loaded.transfer == transfers
    assert loaded.history_.figures == model.history_.figures
    names = {n for n, _ in loaded.fitted_.features.encoder.reader.loaded.model.named_parameters()}
    assert not any("words." in name for name in names)  # the head is thrown away


def test_the_training_of_the_task_starts_from_the_new_encoder(tiny_encoder, monkeypatch):
    first = fitted(tiny_encoder, ContinuedPretraining(epochs=2, learning_rate=3e-3, strength=1.0))
    starts = []
    plain = pretraining_stage.TunedEncoder.fresh_model

    def fresh(self):
        model = plain(self)
        starts.append({name: w.clone() for name, w in model.state_dict().items()})
        return model

    monkeypatch.setattr(pretraining_stage.TunedEncoder, "fresh_model", fresh)
    SHELF.results.clear()
    fitted(
        tiny_encoder,
        ContinuedPretraining(epochs=2, learning_rate=3e-3, strength=1.0),
        FullFineTune(),
    )
    after = weights_of(first)
    assert len(starts) >= 2
    assert all(torch.equal(after[name], weight) for name, weight in starts[1].items())


@pytest.mark.parametrize("objective", ["words", "pairs"])
@pytest.mark.parametrize("main", [FullFineTune(), LoRA()])
def test_it_is_mixed_with_the_task(tiny_encoder, objective, main):
    transfer = ContinuedPretraining(objective, labelled_share=0.5)
    model = fitted(tiny_encoder, transfer, main, epochs=2, batch_size=8)
    name = "masked_word_loss" if objective == "words" else "pair_loss"
    assert len(model.history_.figures[name]) == (3 if objective == "words" else 2)
    assert "strength" not in model.history_.figures
    assert len(model.history_.losses) == 2
    steps = len(model.history_.steps)
    assert steps == 6 if objective == "pairs" else 6 < steps <= 6 + 12


def test_the_mixed_loss_is_that_of_the_task_plus_that_of_the_texts(tiny_encoder):
    options = {"max_steps": 1, "batch_size": 8, "validation_share": 0.0}
    alone = TextClassifier(
        encoder=tiny_encoder, transfer=FullFineTune(), training=replace(TRAINING, **options)
    ).fit(TEXTS, LABELS)
    task = alone.history_.steps[0]
    mixed = [
        fitted(
            tiny_encoder,
            ContinuedPretraining(labelled_share=share, anchor=0),
            FullFineTune(),
            **options,
        ).history_.steps[0]
        for share in (0.5, 0.2)
    ]
    # Among more pairs, the right one is harder to find: the loss of 32 is above that of 8.
    assert mixed[0] > task + 0.5
    assert mixed[1] > task + 4 * (mixed[0] - task)


def test_several_run_one_after_the_other(tiny_encoder):
    options = {"epochs": 1, "learning_rate": 1e-3, "strength": 1.0}
    words, pairs = (ContinuedPretraining(name, **options) for name in ("words", "pairs"))
    both = fitted(tiny_encoder, words, pairs)
    assert set(both.history_.figures) == {"masked_word_loss", "pair_loss", "strength"}
    assert both.history_.figures["strength"] == [1.0, 1.0]
    alone = fitted(tiny_encoder, words)
    assert distance(both, tiny_encoder) > distance(alone, tiny_encoder)
    first, second = (
        both.history_.figures["masked_word_loss"],
        alone.history_.figures["masked_word_loss"],
    )
    assert first == second


def test_a_fused_encoder_trains_its_transformer(tiny_encoder, tmp_path):
    encoder = FusedEncoder((TfidfEncoder(), TransformerEncoder(tiny_encoder)))
    model = fitted(encoder, ContinuedPretraining(epochs=1, learning_rate=3e-3))
    tfidf, transformer = model.fitted_.features.encoder.encoders
    assert isinstance(tfidf, TfidfEncoder) and transformer.weights is not None
    old = TransformerEncoder(tiny_encoder).transform(TEXTS)
    assert np.abs(transformer.transform(TEXTS) - old).max() > 1e-4
    model.save(tmp_path / "model")
    loaded = TextClassifier.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-5)


@pytest.mark.parametrize("objective", ["words", "pairs"])
@pytest.mark.parametrize(
    "pool", [POOL, [(a, b) for a, b in zip(POOL[::2], POOL[1::2], strict=True)]]
)
def test_pairs_of_texts_are_supported(tiny_encoder, objective, pool):
    pairs = list(zip(TEXTS, TEXTS[::-1], strict=True))
    model = fitted(tiny_encoder, ContinuedPretraining(objective, epochs=1), texts=pairs, pool=pool)
    assert len(model.predict(pairs)) == len(pairs)


def test_numbers_and_several_labels_are_supported(tiny_encoder):
    numbers = fitted(
        tiny_encoder,
        ContinuedPretraining(strength="auto"),
        labels=[float(x) for x in LABELS],
        kind=TextRegressor,
    )
    assert numbers.history_.figures["strength"][0] in STRENGTHS
    several = [["a", "b"] if label else ["b"] for label in LABELS]
    several[0] = []
    model = fitted(tiny_encoder, ContinuedPretraining(strength="auto"), labels=several)
    assert model.history_.figures["strength"][0] in STRENGTHS


def test_what_cannot_be_trained_is_refused_by_its_name(tiny_encoder):
    with pytest.raises(
        ConfigError, match=r"ContinuedPretraining\(\) tunes a transformer, got TfidfEncoder"
    ):
        fitted(TfidfEncoder(), ContinuedPretraining())
    with pytest.raises(ConfigError, match=r"ContinuedPretraining\(\) needs fit\(..., unlabeled"):
        TextClassifier(encoder=tiny_encoder, transfer=[ContinuedPretraining()]).fit(TEXTS, LABELS)


def test_without_labelled_texts_all_of_the_change_is_kept(tiny_encoder):
    names = LabelMeaning({"post": "parcel", "phone": "app"})
    transfer = [names, ContinuedPretraining(epochs=1, learning_rate=1e-3, strength="auto")]
    model = TextClassifier(encoder=tiny_encoder, transfer=transfer, training=TRAINING)
    model.fit([], [], unlabeled=Corpus(POOL))
    assert distance(model, tiny_encoder) > 1e-3


def count_trainings(monkeypatch):
    trained, plain = [], pretraining_stage._Stage._trained

    def counted(self, body, config):
        trained.append(self.transfer)
        return plain(self, body, config)

    monkeypatch.setattr(pretraining_stage._Stage, "_trained", counted)
    return trained


def test_fits_with_the_same_texts_share_the_pretraining(tiny_encoder, monkeypatch):
    trained = count_trainings(monkeypatch)
    transfer = ContinuedPretraining(epochs=1, learning_rate=1e-3)
    first = fitted(tiny_encoder, transfer)
    again = fitted(
        tiny_encoder, replace(transfer, strength=0.5), texts=TEXTS[::-1], labels=LABELS[::-1]
    )
    tuned = fitted(tiny_encoder, transfer, FullFineTune())
    assert len(trained) == 1
    assert again.history_.figures["strength"] == [0.5]
    assert first.history_.figures["strength"] == [1.0]
    assert first.history_.figures["pair_loss"] == tuned.history_.figures["pair_loss"]
    fresh = fitted(tiny_encoder, transfer)  # the tuning of the task did not touch the shared one
    for name, weight in weights_of(fresh).items():
        assert torch.equal(weight, weights_of(first)[name])
    for changes in ({"seed": 1}, {"pool": POOL[1:]}, {"weight_decay": 0.5}):
        fitted(tiny_encoder, transfer, **changes)
    fitted(tiny_encoder, replace(transfer, anchor=0.5))
    assert len(trained) == 5


def test_a_shared_pretraining_keeps_the_settings_of_each_fit(tiny_encoder, monkeypatch):
    trained = count_trainings(monkeypatch)
    transfer = ContinuedPretraining(epochs=1, learning_rate=1e-3)
    stated = TransformerEncoder(tiny_encoder).reader.pooling
    top = TransformerEncoder(tiny_encoder, pooling=stated)
    widths = []
    for encoder in (tiny_encoder, top):
        model = TextClassifier(encoder, transfer=transfer, training=TRAINING)
        widths.append(vectors_of(model.fit(TEXTS, LABELS, unlabeled=Corpus(POOL))).shape[1])
    assert len(trained) == 1 and widths == [3 * top.dim, top.dim]


def test_texts_that_are_cut_at_another_length_are_pretrained_on_again(tiny_encoder, monkeypatch):
    trained = count_trainings(monkeypatch)
    for length in (16, 24):
        encoder = TransformerEncoder(tiny_encoder, max_length=length)
        fitted(encoder, ContinuedPretraining(epochs=1, strength=1.0))
    assert len(trained) == 2


def test_the_judge_compares_with_and_without(tiny_encoder, monkeypatch):
    trained = count_trainings(monkeypatch)
    models = {
        "with": TextClassifier(encoder=tiny_encoder, transfer=[ContinuedPretraining(epochs=1)]),
        "without": TextClassifier(encoder=tiny_encoder),
    }
    verdict = judge(
        models,
        TEXTS,
        LABELS,
        splits=Splits(folds=2, rounds=1),
        fit_params={"with": {"unlabeled": Corpus(POOL)}},
    )
    assert set(verdict.gains) == {"with"} and len(trained) == 1


class Killed(Exception):
    pass


@pytest.mark.parametrize("objective", [pytest.param("words", marks=pytest.mark.slow), "pairs"])
def test_a_killed_fit_resumes_exactly(tiny_encoder, tmp_path, monkeypatch, objective):
    """The fit dies after each checkpoint: of the head of words, of the rest, and of the task."""
    monkeypatch.setattr(continued_pretraining, "_MAX_HEAD_STEPS", 4)
    first = ContinuedPretraining(objective, epochs=1, learning_rate=1e-3, rows_per_step=16)
    plain, saved = Keeper.save, []

    def go(name, dies_at=None):
        def save(self, *arguments):
            plain(self, *arguments)
            saved.append(self.folder)
            if len(saved) == dies_at:
                raise Killed

        monkeypatch.setattr(Keeper, "save", save)
        SHELF.results.clear()
        saved.clear()
        folder = None if name is None else str(tmp_path / name)
        options = {"checkpoints": folder, "save_steps": 2, "batch_size": 8}
        return fitted(tiny_encoder, first, FullFineTune(), **options)

    whole = go(None)
    go("complete")
    n_saves = len(saved)
    assert {folder.parent.name for folder in saved} == {"pretraining-0", "complete"}
    for save in range(1, n_saves + 1):
        with pytest.raises(Killed):
            go(f"killed-{save}", save)
        again = go(f"killed-{save}")
        for name, weight in weights_of(whole).items():
            assert torch.equal(weight, weights_of(again)[name]), (save, name)
        assert again.history_.figures == whole.history_.figures
        assert again.history_.steps == whole.history_.steps


def test_a_training_that_diverges_keeps_the_encoder(tiny_encoder, monkeypatch):
    monkeypatch.setattr(
        continued_pretraining, "pair_loss", lambda first, *_, **__: first.sum() * float("nan")
    )
    model = fitted(tiny_encoder, ContinuedPretraining(epochs=1), restarts=1)
    assert model.history_.restarts == ["some weights are not finite numbers"]
    assert distance(model, tiny_encoder) == 0


def test_histories_are_joined():
    before = History(figures={"pair_loss": [1.0]}, restarts=["a"], refused=["b"], losses=[1.0])
    after = History(figures={"x": [2.0]}, restarts=["c"], losses=[5.0])
    joined = with_pretraining(after, before)
    assert joined.figures == {"pair_loss": [1.0], "x": [2.0]}
    assert (joined.restarts, joined.refused, joined.losses) == (["a", "c"], ["b"], [5.0])
    assert with_pretraining(None, before) is before and with_pretraining(after, None) is after


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder):
    """Tables of labelled and unlabelled texts, and an encoder without dropout."""
    folder = tmp_path_factory.mktemp("room")
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(folder / "train.csv", index=False)
    pd.DataFrame({"text": POOL}).to_csv(folder / "pool.csv", index=False)
    shutil.copytree(tiny_encoder, folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    return folder


def command(room, name, objective, transfer="pretraining", strength=1.0):
    """Return the words of a command that pretrains an encoder and saves a model."""
    options = {
        "transfer": transfer,
        "transfer.objective": objective,
        "transfer.learning_rate": 1e-3,
        "transfer.epochs": 1,
        "transfer.rows_per_step": 16,
        "transfer.strength": strength,
        "unlabeled": room / "pool.csv",
        "encoder": room / "encoder",
        "output": room / name,
        "test-share": 0,
        "training.precision": "float32",
        "training.save_steps": 2,
        "training.epochs": 1,
    }
    flags = [word for option, value in options.items() for word in (f"--{option}", value)]
    return ["train", room / "train.csv", *map(str, flags)]


def stored(room, name):
    return weights_of(TextClassifier.load(room / name))


def test_the_command_line_knows_the_transfer_and_reports_its_figures(room, capsys):
    assert main([str(word) for word in command(room, "line", "pairs", "pretraining+full")]) == 0
    shown = capsys.readouterr().out
    assert "Pair loss: " in shown and "Strength: 1." in shown
    model = TextClassifier.load(room / "line")
    assert model.transfer == [
        ContinuedPretraining("pairs", epochs=1, learning_rate=1e-3, rows_per_step=16, strength=1.0),
        FullFineTune(),
    ]


def test_test_texts_are_removed_from_the_pool(room, capsys, monkeypatch):
    seen, plain = [], pretraining_stage.pretrained

    def watched(plan, data):
        seen.append(data.unlabeled.texts)
        return plain(plan, data)

    monkeypatch.setattr("nlptl.fitting.fit.pretrained", watched)
    test = pd.DataFrame({"text": [POOL[3].upper(), POOL[7] + " ", "other"], "label": [0, 1, 0]})
    test.to_csv(room / "test.csv", index=False)
    words = [*command(room, "scrubbed", "pairs"), "--test", str(room / "test.csv")]
    assert main([str(word) for word in words]) == 0
    assert "Not trained on: 2 unlabelled texts" in capsys.readouterr().out
    assert not {POOL[3], POOL[7]} & set(seen[0]) and len(seen[0]) == len(POOL) - 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "strength"), [("words", 1.0), ("pairs", 1.0), ("pairs", "auto")]
)
def test_two_processes_end_where_one_does(room, launch, objective, strength):
    for name, processes in (("alone", 1), ("two", 2)):
        words = command(room, f"{objective}-{strength}-{name}", objective, strength=strength)
        done = launch("-m", "nlptl", *words, processes=processes)
        assert done.returncode == 0, done.err
    models = [
        TextClassifier.load(room / f"{objective}-{strength}-{name}") for name in ("alone", "two")
    ]
    one, two = (vectors_of(model) for model in models)
    start = TransformerEncoder(room / "encoder", cache=None).with_layers((1, 2, 3)).transform(POOL)
    assert np.abs(one - two).max() < 0.02 * np.abs(one - start).max()
    for name, values in models[0].history_.figures.items():
        assert values == pytest.approx(models[1].history_.figures[name], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "step"), [("words", 2), ("pairs", 2)])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_killed_by_the_system_resumes_exactly(room, launch, objective, step, processes):
    name = f"{objective}-killed-{processes}"
    words = command(room, name, objective)
    kept = room / f"{name}.checkpoints"
    folder = kept / "pretraining-0" / "attempt-0"
    launch.kill_at_step("-m", "nlptl", *words, step=step, folder=folder, processes=processes)
    assert list(folder.glob("step-*"))
    done = launch("-m", "nlptl", *words, processes=processes)
    assert done.returncode == 0, done.err
    assert "Resumed from the checkpoint" in done.err
    whole = f"{objective}-whole-{processes}"
    done = launch("-m", "nlptl", *command(room, whole, objective), processes=processes)
    assert done.returncode == 0, done.err
    expected = stored(room, whole)
    assert all(torch.equal(weight, expected[n]) for n, weight in stored(room, name).items())
