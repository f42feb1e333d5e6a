from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nlptl import (
    Corpus,
    Frozen,
    FullFineTune,
    FusedEncoder,
    LogisticHead,
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
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.source_rows import with_source
from nlptl.fitting.training_data import read_labelled

TARGET = (["my money", "a box"], ["money", "post"], None)


def test_rows_of_a_source_count_less_and_bring_their_classes():
    plan = FitPlan.resolve(encoder=TfidfEncoder(), transfer=SourceRows(weight=0.25))
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

    with_it, lightly = (told(SourceRows(weight=w), source=source)[:, 1] for w in (1.0, 1e-3))
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
        (Frozen(), Corpus(["a"], ["money"]), ConfigError, "SourceRows"),
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
    model = TextClassifier(tiny_encoder, transfer=[transfer, SourceRows(weight=1.0)], **options)
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


def test_a_source_that_no_transfer_adds_is_refused():
    texts, labels = ["good film", "bad film"] * 3, ["+", "-"] * 3
    model = TextClassifier(TfidfEncoder(), transfer=[Frozen(), SelfTraining()])
    with pytest.raises(ConfigError, match="no transfer uses it"):
        model.fit(texts, labels, source=Corpus(texts, labels), unlabeled=Corpus(texts))


@pytest.mark.parametrize("transfer", [SourceRows(share=0.0), SourceRows()])
def test_without_the_rows_of_the_source_its_classes_are_left_out(transfer):
    """With 120 target rows, the share is chosen. A class of the source alone keeps its rows."""
    texts = ["good film", "dull plot"] * 60
    source = Corpus(["dull film", "good plot", "late parcel"] * 40, ["+", "-", "?"] * 40)
    model = TextClassifier(TfidfEncoder(), head=LogisticHead(C=1.0), transfer=transfer)
    model.fit(texts, ["+", "-"] * 60, source=source)
    assert (model.predict(texts) == ["+", "-"] * 60).all()
    assert model.predict_proba(texts).shape[1] == len(model.classes_)


def test_labels_of_the_target_are_compared_whatever_the_order_of_the_sources():
    parts = {
        "one": Corpus(["a", "b"], ["post", "time"]),
        "two": Corpus(["c", "d"], ["time", "tax"]),
    }
    for source in (parts, dict(reversed(parts.items()))):
        with pytest.raises(
            ConfigError, match="No label of the target occurs in the corpus of the source"
        ):
            TextClassifier(TfidfEncoder(), transfer=SourceRows()).fit(*TARGET[:2], source=source)


def test_private_parts_need_labels_of_the_target():
    source = Corpus(["good film", "bad film"] * 5, ["+", "-"] * 5)
    with pytest.raises(ConfigError, match="received no labelled texts of the target"):
        TextClassifier(TfidfEncoder(), transfer=SourceRows(private=True)).fit([], [], source=source)
