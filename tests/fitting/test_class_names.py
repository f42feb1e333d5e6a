from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from nlptl import (
    Auto,
    Contrastive,
    Frozen,
    FullFineTune,
    LabelMeaning,
    LogisticHead,
    MLPHead,
    OrdinalHead,
    TextClassifier,
    TextRegressor,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.fitting.class_names import with_classes
from nlptl.heads import MeaningHead

NAMES = {"post": "the parcel and the box", "money": "my card was charged"}


def test_without_a_row_the_names_decide(tiny_encoder, tmp_path):
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES)).fit([], [])
    assert model.classes_.tolist() == ["money", "post"]
    assert model.predict(["my card was charged", "the parcel and the box"]).tolist() == [
        "money", "post"
    ]  # fmt: skip
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.transfer == LabelMeaning(NAMES)
    np.testing.assert_allclose(
        again.predict_proba(["my box"]), model.predict_proba(["my box"]), atol=1e-5
    )


@pytest.mark.parametrize("transfer", [Contrastive(), FullFineTune()])
def test_names_alone_tune_nothing(transfer, tiny_encoder):
    model = TextClassifier(tiny_encoder, transfer=[transfer, LabelMeaning(NAMES)]).fit([], [])
    assert model.history_ is None
    assert model.predict(["my card was charged"]).tolist() == ["money"]


def test_a_class_without_rows_is_known_by_its_name(tiny_encoder):
    texts = ["the box was broken", "the parcel came late"]
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES)).fit(texts, ["post"] * 2)
    assert model.predict_proba(["my card"]).shape == (1, 2)
    assert model.predict(["my card was charged"]).tolist() == ["money"]


def test_classes_can_be_added_and_saved(tiny_encoder, tmp_path):
    transfer = [Frozen("top"), LabelMeaning(NAMES)]
    model = TextClassifier(tiny_encoder, transfer=transfer)
    model.fit(["the box was broken", "charged twice"], ["post", "money"])
    before = model.predict_proba(["my box"])
    assert model.add_classes({"login": "password reset"}) is model
    assert model.classes_.tolist() == ["login", "money", "post"]
    assert model.predict(["password reset"]).tolist() == ["login"]
    after = model.predict_proba(["my box"])
    np.testing.assert_allclose(after[:, 1:] / after[:, 1:].sum(), before, rtol=1e-5)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(["my box"]), after, atol=1e-5)
    again.add_classes({"thanks": "thank you very good"})
    assert again.predict(["thank you very good"]).tolist() == ["thanks"]


def test_labels_that_are_not_words_come_back_as_they_are(tiny_encoder):
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning({0: "money", 1: "parcel"}))
    assert model.fit([], []).predict(["parcel"]).tolist() == [1]
    assert model.add_classes({2: "password"}).predict(["password"]).tolist() == [2]


def test_a_head_of_ones_own_is_wrapped(tiny_encoder):
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES), head=LogisticHead(C=3.0))
    model.fit(["the box", "my card"], ["post", "money"])
    assert model.fitted_.scorer.head.get_params(deep=False)["base"].C == 3.0
    assert isinstance(model.fitted_.scorer.fitted, MeaningHead)
    with pytest.raises(ConfigError, match="MLPHead is not linear"):
        TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES), head=MLPHead()).fit(
            ["the box", "my card"], ["post", "money"]
        )


def test_what_makes_no_sense_is_refused(tiny_encoder):
    named = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES))
    with pytest.raises(ConfigError, match="single texts with one label"):
        named.fit(["the box"], [["post", "money"]])
    with pytest.raises(ConfigError, match="single texts with one label"):
        named.fit([("the box", "my card")], ["post"])
    with pytest.raises(InputError, match="at least two different labels"):
        TextClassifier(tiny_encoder, transfer=LabelMeaning()).fit([], [])
    with pytest.raises(InputError, match="at least one text"):
        TextClassifier(tiny_encoder).fit([], [])
    with pytest.raises(ConfigError, match="numbers have none"):
        TextRegressor(tiny_encoder, transfer=LabelMeaning(NAMES)).fit(["the box"], [1.0])
    with pytest.raises(ConfigError, match="LabelMeaning"):
        TextClassifier(tiny_encoder).fit(["the box", "my card"], [0, 1]).add_classes({2: "x"})
    fitted = named.fit([], [])
    with pytest.raises(InputError, match="already has class 'post'"):
        fitted.add_classes({"post": "letters"})
    with pytest.raises(ConfigError, match="at least one class, got none"):
        fitted.add_classes({})


def test_no_rows_may_come_in_any_container(tiny_encoder):
    for empty in (pd.Series([], dtype=str), np.array([], dtype=str), ()):
        model = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES)).fit(empty, [])
        assert model.classes_.tolist() == ["money", "post"]


def test_an_order_has_no_room_for_names(tiny_encoder):
    head = OrdinalHead(order=("low", "high"))
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning(), head=head)
    with pytest.raises(ConfigError, match="OrdinalHead has one direction for all classes"):
        model.fit(["one text", "two texts"], ["low", "high"])


@pytest.mark.parametrize("transfer", [Auto(5.0, NAMES), LabelMeaning(NAMES)], ids=repr)
def test_adding_classes_changes_no_parameter(tiny_encoder, transfer):
    model = TextClassifier(tiny_encoder, transfer=transfer).fit([], [])
    model.add_classes({"login": "password reset"})
    assert model.transfer is transfer
    assert [label for label, _ in model.transfer_.names] == ["post", "money", "login"]
    assert model.predict(["password reset"]).tolist() == ["login"]
    assert clone(model).fit([], []).classes_.tolist() == ["money", "post"]


def test_classes_that_are_added_get_the_mean_of_what_imbalance_adds(tiny_encoder):
    texts = ["the box was broken", "a parcel", "the parcel came late", "charged twice"] * 3
    labels = ["post", "post", "post", "money"] * 3
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES), imbalance="logit_adjust")
    scorer = model.fit(texts, labels).fitted_.scorer
    moved = replace(scorer, decision=replace(scorer.decision, offsets=np.array([2.0, 1.0])))
    wider = with_classes(
        replace(model.fitted_, scorer=moved), LabelMeaning(NAMES), LabelMeaning({"login": "reset"})
    )
    assert wider.codec.classes.tolist() == ["login", "money", "post"]
    assert wider.scorer.decision.offsets.tolist() == [1.5, 2.0, 1.0]
