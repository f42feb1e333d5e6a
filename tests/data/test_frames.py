import pandas as pd
import polars as pl
import pytest
from datasets import Dataset

from nlptl.base.errors import InputError
from nlptl.data.frames import check_texts, single_columns

COLUMNS = {
    "id": [3, 4],
    "review": ["It is so good", "It broke"],
    "topic": ["praise", "bug"],
    "stars": [5, 1],
}
TABLE = pd.DataFrame(COLUMNS)
CALLS = "Pass single columns: fit(df['review'], df['topic']) and predict(df['review'])."


@pytest.mark.parametrize(
    "table",
    [TABLE, TABLE.astype(str), pl.DataFrame(COLUMNS), Dataset.from_dict(COLUMNS), COLUMNS],
    ids=["pandas", "only strings", "polars", "datasets", "dict"],
)
def test_the_advice_names_the_longest_texts_and_the_texts_after_them(table):
    assert single_columns(table, list(COLUMNS)) == CALLS


@pytest.mark.parametrize(
    ("names", "label"),
    [(["topic", "review", "id"], "topic"), (["id", "review", "stars"], "stars")],
)
def test_labels_may_stand_before_the_texts_or_be_numbers(names, label):
    assert f"fit(df['review'], df['{label}'])" in single_columns(TABLE, names)


def test_without_texts_the_advice_names_no_column():
    assert "df[" not in single_columns(TABLE, ["id", "stars"])


@pytest.mark.parametrize("numbers", [[3, 4], [None, 4.5], [float("nan"), 3], [True, False]])
def test_numbers_in_place_of_texts_are_refused_with_both_columns(numbers):
    table = {"id": numbers, "review": ["a", "b"]}
    with pytest.raises(InputError, match=r"'id' holds numbers, first .*column: df\['review'\]\."):
        check_texts(table, table, list(table))
    with pytest.raises(InputError, match=r"'id' holds numbers.*Pass a column of texts\."):
        check_texts({"id": numbers}, {"id": numbers}, ["id"])


@pytest.mark.parametrize("cells", [["a", 3], [None, "a"], [None], [float("nan")], [pd.NA], []])
def test_texts_and_missing_cells_are_left_to_the_reader_of_rows(cells):
    check_texts({"text": cells}, {"text": cells}, ["text"])
