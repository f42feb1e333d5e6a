import pandas as pd
import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.base.errors import InputError
from nlptl.data.tables.sheet import Sheet
from nlptl.estimators.bulk.answered_rows import check_columns, label_piece, labelled, text_columns


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
