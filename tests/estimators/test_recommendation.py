import logging

import numpy as np
import pytest

from nlptl import (
    ContinuedPretraining,
    Corpus,
    CoTraining,
    FineTuneFirst,
    Frozen,
    FullFineTune,
    FusedEncoder,
    MeanAlignment,
    SelfTraining,
    SourceRows,
    SourceTask,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import InputError
from nlptl.encoders import Concatenation
from nlptl.estimators.recommendation import recommended_params

SOURCE = Corpus(["good film", "bad film", "great plot", "dull plot"] * 5, ["+", "-"] * 10)
TARGET = Corpus(["good tea", "bad tea", "great soup", "dull soup"] * 5)


def kinds(model, texts=(), answers=(), **corpora):
    transfer = recommended_params(model, texts, answers, corpora)["transfer"]
    return [type(part) for part in (transfer if isinstance(transfer, list) else [transfer])]


def test_the_recommendation_depends_on_the_data():
    model = TextClassifier()
    assert kinds(model, source=SOURCE) == [Frozen]
    assert kinds(model, source=SOURCE, unlabeled=TARGET) == [MeanAlignment, CoTraining]
    one_view = TextClassifier(StaticEncoder())
    assert kinds(one_view, source=SOURCE, unlabeled=TARGET) == [MeanAlignment, SelfTraining]
    counts = TextClassifier(TfidfEncoder())
    assert kinds(counts, source=SOURCE, unlabeled=TARGET) == [SelfTraining]
    few = (["good tea"], ["+"])
    assert kinds(model, *few, source=SOURCE) == [SourceRows]
    assert kinds(model, *few, source=SOURCE, unlabeled=TARGET)[0] is SourceRows
    other = Corpus(SOURCE.rows, ["warm", "cold"] * 10)
    few = (["good tea", "bad tea"], ["+", "-"])
    assert kinds(model, *few, source=other) == [FullFineTune, SourceTask]
    assert kinds(model, *few, source=other, unlabeled=TARGET)[0] is ContinuedPretraining
    assert kinds(counts, *few, source=other) == [SourceRows]  # which refuses the labels
    several = Corpus(SOURCE.rows, [[label] for label in SOURCE.labels])
    assert kinds(model, source=several, unlabeled=TARGET) == [MeanAlignment]
    numbers = Corpus(SOURCE.rows, np.arange(20.0))
    assert kinds(TextRegressor(), source=numbers, unlabeled=TARGET) == [MeanAlignment]


def test_the_default_encoder_counts_words_as_well():
    encoder = recommended_params(TextClassifier(), [], [], {"source": SOURCE})["encoder"]
    assert isinstance(encoder, FusedEncoder) and encoder.is_sparse
    layers, counts = encoder.open().encoders
    assert [name for name, _ in layers.groups] == ["layer 4", "layer 6"]
    assert counts == TfidfEncoder()
    own = recommended_params(TextClassifier(TfidfEncoder()), [], [], {"source": SOURCE})["encoder"]
    assert own == TfidfEncoder()


def test_a_tuning_comes_before_the_recommendation():
    model, corpora = TextClassifier(transfer=FineTuneFirst()), {"source": SOURCE}
    assert recommended_params(model, [], [], corpora) == {}
    corpora["unlabeled"] = TARGET
    params = recommended_params(model, [], [], corpora)
    assert params["transfer"] == [FineTuneFirst(), MeanAlignment(), CoTraining()]
    assert params["encoder"].encoders == (TransformerEncoder(), TfidfEncoder())
    assert kinds(model, ["good tea"], ["+"], **corpora)[:2] == [FineTuneFirst, SourceRows]


def test_a_tuned_recommendation_is_fitted_and_saved(tiny_encoder, tmp_path):
    encoder = FusedEncoder(
        (TransformerEncoder(tiny_encoder), TfidfEncoder()), fusion=Concatenation(sparse=True)
    )
    training = TrainingConfig(max_steps=2, quiet=True)
    model = TextClassifier(encoder, transfer=FineTuneFirst(), training=training)
    model.fit([], [], source=SOURCE, unlabeled=TARGET)
    assert model.transfer_ == [FineTuneFirst(), MeanAlignment(), CoTraining()]
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.predict(["great tea"]).tolist() == model.predict(["great tea"]).tolist()


def test_a_choice_of_the_user_is_kept():
    assert recommended_params(TextClassifier(transfer=Frozen()), [], [], {"source": SOURCE}) == {}
    assert recommended_params(TextClassifier(), ["a"], ["b"], {"source": None}) == {}
    with pytest.raises(InputError, match="source must be a Corpus"):
        TextClassifier().fit([], [], source=["a text"])


def test_a_model_is_fitted_to_a_source_alone(tmp_path):
    model = TextClassifier(TfidfEncoder(), transfer=Frozen()).fit([], [], source=SOURCE)
    assert model.predict(["great tea", "dull tea"]).tolist() == ["+", "-"]
    assert model.audit_.n_rows == 20
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.predict(["great tea"]).tolist() == ["+"]


def test_several_sources_are_joined():
    sources = {"films": SOURCE, "tea": Corpus(["fresh tea", "stale tea"] * 5, ["+", "-"] * 5)}
    model = TextClassifier(TfidfEncoder(), transfer=Frozen()).fit([], [], source=sources)
    assert model.predict(["fresh", "dull"]).tolist() == ["+", "-"]


def test_numbers_and_lists_of_labels_of_a_source():
    lists = Corpus(["good film", "bad film"] * 10, [["+", "all"], ["-", "all"]] * 10)
    model = TextClassifier(TfidfEncoder(), transfer=Frozen()).fit([], [], source=lists)
    assert model.predict(["good"]) == [["+", "all"]]
    numbers = Corpus(["good film", "bad film"] * 10, [2.0, -2.0] * 10)
    regressor = TextRegressor(TfidfEncoder()).fit([], [], source=numbers)
    assert regressor.predict(["good"])[0] > 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Corpus(["a", "b"]), "A source needs labels"),
        ({"a": SOURCE, "b": Corpus([("a", "b")] * 2, ["+", "-"])}, "must have single texts"),
        ({"a": SOURCE, "b": Corpus(["a"] * 2, [["+"], ["-"]])}, "got both"),
        ({"a": SOURCE, "b": Corpus(["a"] * 2, [1, 2])}, "Labels mix int and str"),
    ],
)
def test_sources_that_cannot_be_used_are_refused(source, message):
    with pytest.raises(InputError, match=message):
        TextClassifier(TfidfEncoder(), transfer=Frozen()).fit([], [], source=source)


def test_nothing_at_all_is_refused():
    with pytest.raises(InputError):
        TextClassifier(TfidfEncoder()).fit([], [])


def test_a_source_that_is_the_target_is_reported(caplog):
    same = Corpus(SOURCE.rows)
    model = TextClassifier(TfidfEncoder(), transfer=Frozen())
    with caplog.at_level(logging.WARNING):
        model.fit([], [], source=SOURCE, unlabeled=same)
    assert "20 of 20 rows of the unlabelled texts are also training rows" in caplog.text
    caplog.clear()
    model = TextClassifier(TfidfEncoder(), transfer=SourceRows())
    model.fit(SOURCE.rows, SOURCE.labels, source={"films": SOURCE})
    assert "rows of the source 'films' are also training rows" in caplog.text
    assert model.audit_.leaked == {"the source 'films'": 20}


def test_another_source_is_not_reported(caplog):
    TextClassifier(TfidfEncoder(), transfer=Frozen()).fit([], [], source=SOURCE, unlabeled=TARGET)
    assert not caplog.records


@pytest.mark.parametrize(
    ("labels", "source_labels", "message"),
    [
        ([0, 1], ["0", "1"], r"got '[01]' \(str\) and [01] \(int\)"),
        (["Good", "Bad"], ["good", "bad "], r"got '(good|bad )' \(str\) and '(Good|Bad)' \(str\)"),
        ([True, False], ["True", "False"], r"\(str\) and (True|False) \(bool\)"),
    ],
    ids=["number as text", "case", "bool as text"],
)
def test_labels_that_differ_in_form_only_are_refused(labels, source_labels, message):
    source = Corpus(["good film", "bad film"], source_labels)
    with pytest.raises(InputError, match=message):
        kinds(TextClassifier(), ["good tea", "bad tea"], labels, source=source)


def test_other_labels_of_another_type_are_no_mistake():
    source = Corpus(["good film", "bad film"], [5, 1])
    few = ["good tea", "bad tea"], ["drink", "food"]
    assert SourceTask in kinds(TextClassifier(), *few, source=source)
