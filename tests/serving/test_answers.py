import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from nlptl import (
    FusedEncoder,
    LanguageClassifier,
    MultiTaskModel,
    RidgeHead,
    Task,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, IntegrityError
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.serving import make_app
from nlptl.serving.answers import answers, check_classes, classes_of, shapes_of

TEXTS = ["good tea", "great day", "bad box", "broken box"] * 3
ASKED = ["a great tea", "a broken box"]


def fitted(labels, texts=TEXTS, kind=TextClassifier):
    return kind(TfidfEncoder()).fit(texts, labels)


@pytest.mark.parametrize("known", [("yes", "no"), (7, 3), (True, False), (("a", "b"), ("c", "d"))])
def test_labels_come_back_as_they_were_given_with_their_probability(known):
    model = fitted([known[0], known[0], known[1], known[1]] * 3)
    found = answers(model, ASKED)
    assert [one["label"] for one in found] == list(known)
    shares = model.predict_proba(ASKED)
    for row, one in zip(shares, found, strict=True):
        assert list(one["probabilities"].values()) == pytest.approx(row, abs=1e-6)
        assert one["probability"] == max(one["probabilities"].values())
    json.dumps(found, allow_nan=False)
    assert classes_of(model) == sorted(known)


def test_the_probability_is_that_of_the_label_not_the_highest():
    class Moved:
        classes_ = np.array(["common", "rare"])

        def predict_proba(self, texts):
            return np.array([[0.7, 0.3]])

        def predict(self, texts):
            return np.array(["rare"])

    assert answers(Moved(), ["x"])[0]["probability"] == 0.3


def test_several_labels_are_a_list():
    several = fitted([["good"], ["good", "x"], ["bad"], ["bad"]] * 3)
    found = answers(several, ASKED)
    assert [one["label"] for one in found] == several.predict(ASKED)
    assert isinstance(found[0]["label"], list) and "probability" not in found[0]
    assert list(found[0]["probabilities"]) == ["bad", "good", "x"]
    columns = fitted(np.array([[1, 0], [1, 0], [0, 1], [0, 1]] * 3))
    assert [one["label"] for one in answers(columns, ASKED)] == columns.predict(ASKED).tolist()


def test_numbers_are_numbers():
    numbers = [float(len(text)) for text in TEXTS]
    model = TextRegressor(TfidfEncoder(), head=RidgeHead()).fit(TEXTS, numbers)
    found = answers(model, ASKED)
    assert found == [{"number": pytest.approx(one)} for one in model.predict(ASKED)]
    assert classes_of(model) is None


def test_every_task_answers_for_the_texts_it_takes(tiny_encoder):
    pairs = [(text, "tea") for text in TEXTS]
    kinds = ["yes", "yes", "no", "no"] * 3
    model = MultiTaskModel(
        {"kind": Task(), "length": Task("regression"), "fits": Task()},
        encoder=tiny_encoder,
        gate=False,
        training=TrainingConfig(max_steps=1, quiet=True),
    )
    lengths = [float(len(text)) for text in TEXTS]
    model.fit({"kind": (TEXTS, kinds), "length": (TEXTS, lengths), "fits": (pairs, kinds)})
    assert shapes_of(model) == {False, True}
    found, said = answers(model, ASKED), model.predict(ASKED)
    assert [one["tasks"]["kind"]["label"] for one in found] == said["kind"].tolist()
    lengths = [one["tasks"]["length"]["number"] for one in found]
    assert lengths == pytest.approx(said["length"].tolist())
    assert list(answers(model, [("a", "b")])[0]["tasks"]) == ["fits"]
    assert classes_of(model) == {"kind": ["no", "yes"], "length": None, "fits": ["no", "yes"]}


def test_a_model_is_asked_which_texts_it_takes(classifier):
    pairs = fitted(["yes", "yes", "no", "no"] * 3, [(text, "tea") for text in TEXTS])
    assert shapes_of(classifier) == {False}
    assert shapes_of(pairs) == {True}
    assert answers(pairs, [("great", "tea")])[0]["label"] in ("yes", "no")


def test_a_model_that_reads_columns_is_refused():
    encoder = FusedEncoder(encoders=(TfidfEncoder(),), numeric_columns=("n",))
    table = pd.DataFrame({"text": TEXTS, "n": range(12)})
    model = TextClassifier(encoder).fit(table, ["yes", "yes", "no", "no"] * 3)
    with pytest.raises(ConfigError, match="neither single texts nor pairs.*need a table"):
        shapes_of(model)


def test_a_model_that_has_to_be_told_languages_is_refused_and_its_parts_are_not():
    kinds = ["yes", "yes", "no", "no"] * 3
    model = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=False)
    model.fit(TEXTS, kinds, ["en"] * 12)
    with pytest.raises(ConfigError, match="cannot be served.*languages"):
        shapes_of(model)
    assert shapes_of(model.models_["en"]) == {False}


def test_nothing_of_a_text_is_kept_on_disk(tiny_encoder, few, tmp_path):
    model = TextClassifier(TransformerEncoder(tiny_encoder, cache=tmp_path / "kept")).fit(*few)
    kept = {path: path.stat().st_size for path in tmp_path.rglob("*")}
    answers(model, ["a text that was never seen"])
    assert kept and {path: path.stat().st_size for path in tmp_path.rglob("*")} == kept


def test_a_model_answers_as_it_did_though_its_folder_be_replaced(tiny_encoder, few, tmp_path):
    model = TextClassifier(tiny_encoder).fit(*few)
    loaded, late = (TextClassifier.load(model.save(tmp_path / name)) for name in ("m", "n"))
    before = answers(loaded, ASKED)
    for name in ("m", "n"):
        (weights,) = (tmp_path / name).rglob("model.safetensors")
        save_file({key: 2 * part for key, part in load_file(weights).items()}, weights)
    assert answers(loaded, ASKED) == before
    with empty_shelf(), pytest.raises(IntegrityError, match="changed since it was opened"):
        answers(late, ASKED)
    shutil.rmtree(tmp_path / "m")
    assert answers(loaded, ASKED) == before


@pytest.mark.parametrize(
    "classes", [[1.0, float("inf")], {"task": [1.0, float("-inf")]}, ["\ud83d"]]
)
def test_classes_that_json_cannot_hold_are_refused(classes):
    with pytest.raises(ConfigError, match="cannot be served, because JSON cannot hold them"):
        check_classes(classes)
    check_classes({"numbers": None, "task": [[1, "a"], 2.5, True]})


def test_a_model_with_an_infinite_class_is_refused_before_it_is_served():
    with pytest.raises(ConfigError, match=r"classes \[1.0, inf\] cannot be served"):
        make_app(fitted([1.0, float("inf")] * 6))
