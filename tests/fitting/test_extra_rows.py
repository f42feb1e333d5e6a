from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from nlptl import (
    Contrastive,
    Corpus,
    FullFineTune,
    FusedEncoder,
    LabelMeaning,
    LoRA,
    SelfTraining,
    SourceRows,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    WordEdits,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.rows import Rows
from nlptl.fitting import fit as fitting
from nlptl.fitting.extra_rows import with_edits, with_source
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import read_labelled

QUICK = TrainingConfig(max_steps=3)


def learnt(labelled, *transfers):
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=list(transfers))
    return with_edits(read_labelled(plan, *labelled), plan)


def test_copies_stand_beside_the_rows_and_count_as_much_together():
    given = (["my money came back", "a broken box"], ["money", "post"], [1.0, 3.0])
    data = learnt(given, WordEdits(copies=3, share=0.4))
    rows, targets = data.all_rows
    assert len(data.rows) == 2 and len(rows) == 8
    assert targets.codes.tolist() == [0, 1] * 4
    np.testing.assert_allclose(targets.weights, [1, 3] + [1 / 3, 1] * 3)
    assert set(rows.texts[2].split()) <= set(given[0][0].split())


def test_both_texts_of_a_pair_are_edited():
    pairs = [("one two three four", "five six seven eight")] * 2
    rows, _ = learnt((pairs, ["a", "b"], None), WordEdits(share=0.5)).all_rows
    assert rows.are_pairs and len(rows) == 6
    for first, second in rows.texts[2:]:
        assert set(first.split()) <= set(pairs[0][0].split())
        assert set(second.split()) <= set(pairs[0][1].split())


def test_names_come_after_copies():
    given = (["my money", "a box"], ["money", "post"], None)
    rows, targets = learnt(given, WordEdits(copies=1), LabelMeaning(templates=["{}"])).with_names
    assert rows.texts[4:] == ["money", "post"] and targets.codes.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    "transfer",
    [WordEdits(), [LabelMeaning(), WordEdits()], [Contrastive(), WordEdits(), LoRA()]],
)
def test_a_classifier_learns_from_copies(transfer, tiny_encoder, few, tmp_path):
    model = TextClassifier(tiny_encoder, transfer=transfer, training=QUICK).fit(*few)
    assert model.score(*few) > 0.5
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert repr(again.transfer) == repr(model.transfer_)
    np.testing.assert_allclose(again.predict_proba(few[0]), model.predict_proba(few[0]), atol=1e-4)


def test_no_fold_holds_out_a_copy(few, monkeypatch):
    from nlptl.heads.calibration.strength import Chooser

    monkeypatch.setattr(Chooser, "choose", lambda *_: pytest.fail("a fold was dealt"))
    TextClassifier(TfidfEncoder(), transfer=WordEdits()).fit(*few)


def halves(few):
    """Four labelled requests and the rest without labels."""
    texts, labels = few
    some = [0, 1, -1, -2]
    return [texts[i] for i in some], [labels[i] for i in some], Corpus(texts[2:-2])


def test_the_head_learns_from_texts_that_the_model_labelled(few, monkeypatch):
    texts, labels, corpus = halves(few)
    plain = TextClassifier(TfidfEncoder()).fit(texts, labels)
    model = TextClassifier(TfidfEncoder(), transfer=SelfTraining(share=1.0))
    seen = []
    fit_head = fitting.fit_head

    def watched(plan, data, features, **options):
        seen.append(data.all_rows)
        return fit_head(plan, data, features, **options)

    monkeypatch.setattr(fitting, "fit_head", watched)
    model.fit(texts, labels, unlabeled=corpus)
    (first, _), (rows, targets) = seen
    assert len(first) == 4 and len(rows) == 4 + corpus.size
    assert targets.weights[4:].sum() == pytest.approx(4.0)  # as much as the labelled rows
    unlike = model.predict_proba(texts) - plain.predict_proba(texts)
    assert np.abs(unlike).max() > 1e-3
    calm = model.fitted_.scorer.decision.temperature
    assert calm == plain.fitted_.scorer.decision.temperature


def test_rounds_label_anew(few, monkeypatch):
    calls = []
    choose = SelfTraining.most_confident
    monkeypatch.setattr(
        SelfTraining, "most_confident", lambda *given: calls.append(given[1]) or choose(*given)
    )
    texts, labels, corpus = halves(few)
    model = TextClassifier(TfidfEncoder(), transfer=SelfTraining(rounds=3))
    model.fit(texts, labels, unlabeled=corpus)
    assert len(calls) == 3 and np.abs(calls[1] - calls[0]).max() > 0


def test_self_training_goes_with_a_tuned_encoder(tiny_encoder, few, tmp_path):
    texts, labels, corpus = halves(few)
    transfer = [Contrastive(), SelfTraining(), LabelMeaning()]
    model = TextClassifier(tiny_encoder, transfer=transfer, training=QUICK)
    model.fit(texts, labels, unlabeled=corpus)
    assert model.history_ is not None
    TextClassifier.load(model.save(tmp_path / "model"))


@pytest.mark.parametrize(
    ("transfer", "labels", "given", "said"),
    [
        (SelfTraining(), "ab", {}, r"unlabelled texts, got 2 and 0"),
        (
            SelfTraining(),
            [["a"], ["b"]],
            {"unlabeled": Corpus(["x"])},
            "got up to 2 labels per text",
        ),
        (WordEdits(), [["a"], ["b"]], {}, "got up to 2 labels per text"),
        ([SelfTraining(), FullFineTune()], "ab", {}, r"Add Contrastive\(\), or leave the encoder"),
        ([WordEdits(), LoRA()], "ab", {}, r"WordEdits\(\) cannot be combined with LoRA\(\) alone"),
        ([WordEdits(), WordEdits(copies=1)], "ab", {}, r"WordEdits\(\) is passed 2 times"),
    ],
)
def test_what_does_not_go_together_is_refused(transfer, labels, given, said):
    model = TextClassifier(TfidfEncoder(), transfer=transfer)
    with pytest.raises(ConfigError, match=said):
        model.fit(["one text", "two texts"], list(labels), **given)


def test_names_alone_are_a_start_for_self_training(tiny_encoder, few, tmp_path):
    names = LabelMeaning({"a": "parcel", "b": "money"})
    alone = TextClassifier(tiny_encoder, transfer=names).fit([], [])
    model = TextClassifier(tiny_encoder, transfer=[names, SelfTraining(share=1.0)])
    with pytest.raises(ConfigError, match="got 0 and 0"):
        model.fit([], [])
    model.fit([], [], unlabeled=Corpus(few[0]))
    head = model.fitted_.scorer.fitted
    texts = model.fitted_.features.transform(Rows(few[0])).mean(axis=0)
    far, near = (np.linalg.norm(one.centre_ - texts) for one in (alone.fitted_.scorer.fitted, head))
    assert near < far / 2  # it knows where texts lie
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert list(again.predict(few[0])) == list(model.predict(few[0]))


def test_names_are_first_asked_from_where_the_texts_lie(tiny_encoder, few, monkeypatch):
    names = LabelMeaning({"a": "parcel", "b": "money"})
    alone = TextClassifier(tiny_encoder, transfer=names).fit([], []).fitted_
    calls, choose = [], SelfTraining.most_confident
    monkeypatch.setattr(
        SelfTraining, "most_confident", lambda *given: calls.append(given[1]) or choose(*given)
    )
    model = TextClassifier(tiny_encoder, transfer=[names, SelfTraining()])
    model.fit([], [], unlabeled=Corpus(few[0]))
    found = alone.features.transform(Rows(few[0]))
    moved = found - found.mean(axis=0) + alone.scorer.fitted.centre_
    np.testing.assert_allclose(calls[0], alone.scorer.probabilities(moved), atol=1e-5)


def test_beside_names_each_text_counts_its_weight(tiny_encoder, few):
    names = LabelMeaning({"a": "parcel", "b": "money"})
    heads = []
    for weight in (1.0, 0.125):
        model = TextClassifier(tiny_encoder, transfer=[names, SelfTraining(weight=weight)])
        heads.append(model.fit([], [], unlabeled=Corpus(few[0])).fitted_.scorer.fitted)
    assert np.abs(heads[0].coef_ - heads[1].coef_).max() > 1e-3


def test_what_cannot_stand_beside_names_is_said(tiny_encoder, few):
    transfer = [LabelMeaning({"a": "parcel", "b": "money"}), SelfTraining()]
    pairs = Corpus(list(zip(few[0], few[0][::-1], strict=True)))
    with pytest.raises(InputError, match="got pairs of texts and single texts"):
        TextClassifier(tiny_encoder, transfer=transfer).fit([], [], unlabeled=pairs)
    with pytest.raises(ConfigError, match="MeaningHead cannot be fitted to"):
        TextClassifier(TfidfEncoder(), transfer=transfer).fit([], [], unlabeled=Corpus(few[0]))


def test_texts_without_labels_have_to_be_a_corpus(few):
    model = TextClassifier(TfidfEncoder(), transfer=SelfTraining())
    with pytest.raises(InputError, match="Write unlabeled=Corpus"):
        model.fit(*few, unlabeled=["one"])


def test_numbers_learn_from_copies_too(tiny_encoder, few):
    numbers = np.arange(len(few[0])) / 10
    model = TextRegressor(tiny_encoder, transfer=WordEdits(copies=1)).fit(few[0], numbers)
    assert np.isfinite(model.predict(few[0])).all()


def test_heads_without_weights_and_pairs_beside_texts_are_refused(few):
    texts, labels, corpus = halves(few)
    neighbours = KNeighborsClassifier(1)
    with pytest.raises(ConfigError, match="KNeighborsClassifier does not accept row weights"):
        TextClassifier(TfidfEncoder(), transfer=WordEdits(), head=neighbours).fit(texts, labels)
    pairs = list(zip(texts, texts[::-1], strict=True))
    with pytest.raises(InputError, match="got pairs of texts and single texts"):
        TextClassifier(TfidfEncoder(), transfer=SelfTraining()).fit(pairs, labels, unlabeled=corpus)


TARGET = (["my money", "a box"], ["money", "post"], None)


def test_rows_of_a_source_count_less_and_bring_their_classes():
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=SourceRows(0.25))
    source = {
        "old": Corpus(["the bill", "a stamp", "late"], ["money", "post", "time"]),
        "new": Corpus(["a coin"], ["money"]),
    }
    data = replace(read_labelled(plan, *TARGET), source=source)
    found = with_source(data, plan.transfers)
    rows, targets = found.all_rows
    assert found.codec.classes.tolist() == ["money", "post", "time"]
    assert rows.texts[2:] == ["the bill", "a stamp", "late", "a coin"]
    assert targets.codes.tolist() == [0, 1, 0, 1, 2, 0] and targets.n_outputs == 3
    assert targets.weights.tolist() == [1, 1, 0.25, 0.25, 0.25, 0.25]
    assert len(found.rows) == 2


def test_a_source_helps_where_the_target_has_little():
    texts = ["good day", "great day", "very good", "bad day", "broken day", "very bad"]
    source = Corpus(texts, [1, 1, 1, 0, 0, 0])
    asked = ["great thing", "broken thing", "good thing", "bad thing"]
    few = (["thank you", "charged twice"], [1, 0])

    def told(transfer, **given):
        model = TextClassifier(TfidfEncoder(), transfer=transfer).fit(*few, **given)
        return model.predict_proba(asked)

    with_it, lightly = (told(SourceRows(w), source=source)[:, 1] for w in (1.0, 1e-3))
    assert ((with_it > 0.55) == [1, 0, 1, 0]).all() and ((with_it < 0.45) == [0, 1, 0, 1]).all()
    assert abs(lightly - 0.5).max() < 0.2 * abs(with_it - 0.5).max()
    assert abs(told(None)[:, 1] - 0.5).max() < 0.01, "alone it knows none of these words"


def test_numbers_of_a_source_are_learnt_from_too():
    source = Corpus(["long", "longer", "longest"], [2.0, 3.0, 4.0])
    model = TextRegressor(TfidfEncoder(), transfer=SourceRows()).fit(
        ["short", "shorter", "long"], [1.0, 0.5, 2.0], source=source
    )
    assert model.predict(["longest"])[0] > model.predict(["shorter"])[0]


@pytest.mark.parametrize(
    ("transfer", "source", "error", "message"),
    [
        (SourceRows(), None, ConfigError, "source=Corpus"),
        (None, Corpus(["a"], ["money"]), ConfigError, "SourceRows"),
        (SourceRows(), Corpus(["a"]), InputError, "has none"),
        (SourceRows(), Corpus([("a", "b")], ["money"]), InputError, "pairs"),
        (SourceRows(), ["a"], InputError, "Corpus"),
        ([WordEdits(), SourceRows(), LoRA()], Corpus(["a"], ["money"]), ConfigError, "Contrastive"),
        ("auto", Corpus(["a"], ["money"]), ConfigError, "source"),
    ],
)
def test_a_source_that_cannot_be_learnt_from_is_refused(transfer, source, error, message):
    with pytest.raises(error, match=message):
        TextClassifier(TfidfEncoder(), transfer=transfer).fit(*TARGET[:2], source=source)


@pytest.mark.parametrize("transfer", [FullFineTune(), LoRA(rank=4)], ids=["full", "lora"])
def test_a_tuned_encoder_is_trained_on_rows_of_a_source(tiny_encoder, transfer):
    rng = np.random.default_rng(0)
    labels = [["late", "help"][int(rng.integers(2))] for _ in range(80)]
    source = Corpus([f"parcel {label} app" for label in labels], labels)
    few = (["money thank card", "phone add card"], ["late", "help"])
    asked = [f"money {label} card" for label in ("late", "help") * 8]
    training = TrainingConfig(epochs=6, batch_size=8, learning_rate=3e-3, quiet=True)
    options = {"training": training, "device": "cpu"}
    model = TextClassifier(tiny_encoder, transfer=[transfer, SourceRows(1.0)], **options)
    model.fit(*few, source=source)
    assert model.score(asked, ["late", "help"] * 8) > 0.9
    assert len(model.history_.steps) > 50  # two rows alone would take six steps


def test_a_source_without_the_numbers_of_the_table_has_them_missing(support):
    texts, labels = support
    table = pd.DataFrame({"text": texts, "length": [float(len(text)) for text in texts]})
    encoder = FusedEncoder((TfidfEncoder(),), text_columns=("text",), numeric_columns=("length",))
    model = TextClassifier(encoder, transfer=SourceRows())
    model.fit(table[::2], labels[::2], source=Corpus(texts[1::2], labels[1::2]))
    assert model.score(table, labels) > 0.8
