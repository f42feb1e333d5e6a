import numpy as np
import pandas as pd
import pytest

from nlptl import OnnxClassifier, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.tables.sheet import Sheet
from nlptl.estimators.bulk.answered_rows import (
    MoreColumns,
    answers,
    check_columns,
    label_piece,
    labelled,
    text_columns,
)


@pytest.fixture
def model(few):
    return TextClassifier(TfidfEncoder()).fit(*few)


def test_two_columns_are_added_to_those_there(model, few):
    texts, _ = few
    table = pd.DataFrame({"words": texts, "id": range(40)})
    found = label_piece(Sheet(table), model, ["words"], start=0).frame
    assert found.columns.tolist() == ["words", "id", "predicted", "probability"]
    assert found["predicted"].tolist() == model.predict(texts).tolist()
    assert found["probability"].tolist() == pytest.approx(
        model.predict_proba(texts).max(axis=1), abs=1e-4
    )
    assert table.columns.tolist() == ["words", "id"]


def test_several_labels_become_one_cell_of_json(few):
    texts, labels = few
    model = TextClassifier(TfidfEncoder()).fit(texts, [["x", label] for label in labels])
    found = labelled(Sheet(pd.DataFrame({"text": texts[:1]})), model, texts[:1])
    assert found.frame["predicted"][0].startswith('["')


def test_a_column_in_the_way_is_named():
    with pytest.raises(InputError, match="column 'probability' already"):
        check_columns(pd.DataFrame({"probability": [1]}))


def test_the_columns_are_those_given_or_those_of_the_training(model):
    assert text_columns(model, ()) == ["text"]
    model.notes_ = {"run": {"text_column": ["a", "b"]}}
    assert text_columns(model, None) == ["a", "b"]
    assert text_columns(model, ["c"]) == ["c"]


def test_a_text_that_cannot_be_used_is_placed_in_the_whole_table(model):
    with pytest.raises(InputError, match="2 rows from row 4096 on.*index 1"):
        label_piece(Sheet(pd.DataFrame({"text": ["a", " "]})), model, ["text"], start=4096)


def test_the_most_probable_classes_come_in_order(few):
    texts, _ = few
    labels = ["abcd"[i % 4] for i in range(40)]
    model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    columns = answers(model, texts, more=MoreColumns(top=2, all_classes=True))
    probabilities = model.predict_proba(texts)
    ordered = np.sort(probabilities, axis=1)[:, ::-1]
    assert columns["probability_2"] == pytest.approx(ordered[:, 1], abs=1e-4)
    named = [columns[f"probability of {name}"] for name in "abcd"]
    np.testing.assert_allclose(np.transpose(named), probabilities, atol=1e-4)
    for i, (first, second) in enumerate(
        zip(columns["predicted"], columns["predicted_2"], strict=True)
    ):
        ranks = np.argsort(-probabilities[i], kind="stable")
        assert [first, second] == model.classes_[ranks[:2]].tolist()


def test_more_classes_than_there_are_give_all(model, few):
    columns = answers(model, few[0], more=MoreColumns(top=9))
    names = ["predicted", "probability", "predicted_2", "probability_2"]
    assert list(columns) == names  # the model has two classes


def test_classes_that_look_alike_have_columns_of_their_own():
    classes = np.array([1, "1"], dtype=object)
    assert MoreColumns(all_classes=True).names(classes) == [
        "probability of 1",
        "probability of '1'",
    ]


def test_a_further_column_in_the_way_is_named_before_anything_is_predicted(model, few):
    table = Sheet(pd.DataFrame({"text": few[0], "predicted_2": 0}))
    with pytest.raises(InputError, match="column 'predicted_2' already"):
        labelled(table, model, few[0], more=MoreColumns(top=2))


def test_columns_that_a_model_has_no_probabilities_for_are_refused(few):
    texts, labels = few
    numbers = TextRegressor(TfidfEncoder()).fit(texts, np.arange(40.0))
    with pytest.raises(ConfigError, match="predicts numbers"):
        answers(numbers, texts, more=MoreColumns(top=2))
    several = TextClassifier(TfidfEncoder()).fit(texts, [["x", label] for label in labels])
    with pytest.raises(ConfigError, match="one label per text"):
        answers(several, texts, more=MoreColumns(top=2))
    assert "probability of x" in answers(several, texts, more=MoreColumns(all_classes=True))
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        answers(several, texts, more=MoreColumns(top=0))


def test_a_graph_of_several_labels_has_no_order_either(few, tiny_encoder, tmp_path):
    texts, labels = few
    model = TextClassifier(tiny_encoder).fit(texts, [["x", label] for label in labels])
    graph = OnnxClassifier.load(model.export(tmp_path / "graph", format="onnx"))
    with pytest.raises(ConfigError, match="one label per text"):
        answers(graph, texts, more=MoreColumns(top=2))
