from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from datasets import Dataset

from nlptl.base.errors import InputError
from nlptl.data.rows import NoTextsError, Rows, as_rows, rows_to_predict, text_list

TEXTS = ["one", "two", "three"]
CONTAINERS = {
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "array of str": np.array(TEXTS),
    "array of objects": np.array(TEXTS, dtype=object),
    "pandas": pd.Series(TEXTS, index=[7, 8, 9]),
    "pandas string": pd.Series(TEXTS, dtype="string"),
    "pandas frame": pd.DataFrame({"text": TEXTS}),
    "polars": pl.Series(TEXTS),
    "polars frame": pl.DataFrame({"text": TEXTS}),
    "datasets": Dataset.from_dict({"text": TEXTS}),
    "datasets column": Dataset.from_dict({"text": TEXTS})["text"],
    "dict": {"text": TEXTS},
    "rows": Rows(TEXTS),
}


@pytest.mark.parametrize("given", CONTAINERS.values(), ids=CONTAINERS)
def test_texts_come_from_any_container(given):
    rows = as_rows(given)
    assert list(rows) == TEXTS
    assert not rows.are_pairs


@pytest.mark.parametrize(
    "given",
    [
        [("a", "b"), ("c", "d")],
        [["a", "b"], ["c", "d"]],
        np.array([["a", "b"], ["c", "d"]]),
        pd.DataFrame({"x": ["a", "c"], "y": ["b", "d"]}),
    ],
)
def test_pairs_come_from_tuples_arrays_and_two_columns(given):
    rows = as_rows(given)
    assert rows.are_pairs
    assert list(rows) == [("a", "b"), ("c", "d")]
    assert list(rows.side(1)) == ["b", "d"]


def test_numbers_stand_beside_texts_and_are_taken_along():
    table = pd.DataFrame({"text": TEXTS, "price": ["1", "", "2.5"], "id": [1, 2, 3]})
    rows = as_rows(table, text_columns=["text"], numeric_columns=["price", "id"])
    np.testing.assert_array_equal(rows.numbers, [[1, 1], [np.nan, 2], [2.5, 3]])
    some = rows.take(np.array([2, 0]))
    assert list(some) == ["three", "one"]
    np.testing.assert_array_equal(some.numbers, [[2.5, 3], [1, 1]])
    assert list(rows[1:]) == ["two", "three"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("one string", "got one str of 10 characters"),
        ([], "at least one text, got an empty list"),
        (["a", None], "index 1 is None"),
        (["a", float("nan")], "index 1 is nan"),
        (["a", 3], r"index 1 is 3 \(int\)"),
        (["a", "  ", ""], "2 of 3 texts are empty, first at index 1"),
        ([("a", "b"), "c"], "Row 1 is 'c', but the first row is a pair"),
        ([("a", "b"), ("c", " ")], "1 of 2 texts are empty"),
        (5, "got int 5"),
        (np.array("a"), "got a single value"),
        (pd.DataFrame({"a": ["x"], "b": ["y"], "c": ["z"]}), r"got 3.*fit\(df\['a'\], df\['b'\]\)"),
        (pd.DataFrame({"n": [1]}), r"Column 'n' holds numbers, first 1 \(int\)"),
        (pd.DataFrame({"n": [1], "text": ["a"]}), r"Column 'n' holds .*column: df\['text'\]"),
    ],
)
def test_what_is_no_text_is_named(given, said):
    with pytest.raises(InputError, match=said):
        as_rows(given)


def test_unknown_columns_and_words_in_numeric_columns_are_named():
    table = {"text": TEXTS, "price": ["1", "cheap", "2"]}
    with pytest.raises(InputError, match="no column 'txt'.*Did you mean 'text'"):
        as_rows(table, text_columns=["txt"])
    with pytest.raises(InputError, match="'price' holds 'cheap' at row 1"):
        as_rows(table, text_columns=["text"], numeric_columns=["price"])
    with pytest.raises(InputError, match="need a table"):
        as_rows(TEXTS, numeric_columns=["price"])


def test_columns_are_found_by_their_own_names():
    assert as_rows(pd.DataFrame(["a", "b"])).texts == ["a", "b"]
    twice = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        as_rows(twice)


def test_missing_numbers_of_every_kind_are_nan():
    table = pd.DataFrame({"text": ["a"] * 4, "n": [1, pd.NA, None, ""]}, dtype=object)
    found = as_rows(table, text_columns=["text"], numeric_columns=["n"]).numbers[:, 0]
    np.testing.assert_array_equal(found, [1, np.nan, np.nan, np.nan])


def test_rows_without_text_can_be_kept():
    found = as_rows(["a", None, float("nan"), " "], keep_blank=True)
    assert found.texts == ["a", "", "", " "]
    assert as_rows([("a", None)], keep_blank=True).texts == [("a", "")]


def test_rows_follow_each_other_with_their_numbers():
    first, second = Rows(["a"], np.array([[1.0]])), Rows(["b", "c"], np.array([[2.0], [3.0]]))
    both = first.followed_by(second)
    assert both.texts == ["a", "b", "c"] and both.numbers.tolist() == [[1.0], [2.0], [3.0]]
    assert Rows([("a", "b")]).followed_by(Rows([("c", "d")])).are_pairs
    for rows, others, expected in (
        (first, Rows(["c"]), [[1.0], [np.nan]]),
        (Rows([]), first, [[1.0]]),
        (Rows(["c"]), first, [[np.nan], [1.0]]),
    ):
        np.testing.assert_array_equal(rows.followed_by(others).numbers, expected)
    assert Rows(["a"]).followed_by(Rows(["b"])).numbers is None


@pytest.mark.parametrize(
    "texts",
    [
        iter(TEXTS),
        np.array(TEXTS, dtype=object).reshape(-1, 1),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS]),
        {"text": iter(TEXTS)},
        dict.fromkeys(TEXTS).keys(),
    ],
)
def test_texts_of_one_column_are_single_texts(texts):
    assert as_rows(texts).texts == TEXTS


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (set(TEXTS), "got a set, which has no order"),
        ([[text] for text in TEXTS], "a list of one text. Pass one column of texts"),
        ({"a": ["x", "y"], "b": ["z"]}, r"columns \['a', 'b'\] have \[2, 1\] rows"),
    ],
)
def test_texts_without_order_or_in_uneven_columns_are_refused(texts, reason):
    with pytest.raises(InputError, match=reason):
        as_rows(texts)


def test_a_text_that_is_a_member_of_an_enumeration_is_its_value():
    tone = Enum("Tone", {"GOOD": "good day"}, type=str)
    assert as_rows([tone.GOOD]).texts == ["good day"]


@pytest.mark.parametrize("number", [float("inf"), "-inf", 10**400])
def test_an_infinite_number_is_refused_with_its_column_and_row(number):
    with pytest.raises(InputError, match="Column 'n' holds -?inf at row 1, which is not finite"):
        as_rows({"text": ["a", "b"], "n": [1, number]}, numeric_columns=["n"])


def test_pairs_have_two_sides_and_single_texts_one():
    assert [side.texts for side in as_rows([("a", "b"), ("c", "d")]).sides] == [
        ["a", "c"],
        ["b", "d"],
    ]
    rows = as_rows(["a"])
    assert rows.sides == [rows]


def test_a_prediction_reads_one_text_as_a_list_and_may_have_no_texts():
    assert rows_to_predict("one", as_rows).texts == ["one"]
    assert rows_to_predict(TEXTS, as_rows).texts == TEXTS
    for texts in ([], iter([]), pd.Series([], dtype=object), {"text": []}, Rows([])):
        assert len(rows_to_predict(texts, as_rows)) == 0
    with pytest.raises(InputError, match="got None"):
        rows_to_predict(None, as_rows)
    with pytest.raises(NoTextsError, match="got an empty list"):
        as_rows([])


def test_a_table_without_columns_has_no_texts():
    for empty in ({}, pd.DataFrame()):
        assert len(rows_to_predict(empty, as_rows)) == 0
        with pytest.raises(NoTextsError, match="without columns"):
            as_rows(empty)


def test_texts_in_columns_become_a_list():
    table = pd.DataFrame({"text": ["a", "b"]})
    for texts in (table, table.to_numpy(), table["text"], ["a", "b"], ("a", "b")):
        assert text_list(texts) == ["a", "b"]
