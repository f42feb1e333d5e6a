import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from nlptl.base.errors import InputError
from nlptl.data.columns import as_list, column_names, read_once, read_values

COLUMNS = {
    "generator": lambda: (value for value in ["a", "b"]),
    "values of a dict": {1: "a", 2: "b"}.values,
    "keys of a dict": {"a": 1, "b": 2}.keys,
    "array of one column": lambda: np.array([["a"], ["b"]], dtype=object),
    "pandas": lambda: pd.Series(["a", "b"], dtype="string"),
    "pandas categories": lambda: pd.Categorical(["a", "b"]),
    "polars": lambda: pl.Series(["a", "b"]),
    "arrow": lambda: pa.array(["a", "b"]),
    "arrow chunks": lambda: pa.chunked_array([["a"], ["b"]]),
    "table of one column": lambda: pa.table({"letters": ["a", "b"]}),
}


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
def test_a_column_of_any_container_becomes_a_list_of_plain_values(make):
    values = as_list(make())
    assert values == ["a", "b"] and all(type(value) is str for value in values)


def test_tensors_and_nullable_numbers_become_plain_numbers():
    assert as_list(torch.tensor([[1], [2]])) == [1, 2]
    assert as_list(torch.tensor([0.5]).bfloat16()) == [0.5]
    assert as_list(pd.Series([1, None], dtype="Int64")) == [1, pd.NA]


def test_dates_stay_dates():
    dates = np.array(["2020-01-01"], dtype="datetime64[ns]")
    assert as_list(dates) == list(dates)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"a", "b"}, "got a set, which has no order"),
        (frozenset("ab"), "got a frozenset, which has no order"),
        ({"a": 1}, r"got a dict with the keys \['a'\]"),
        ("ab", "got 'ab'"),
        (None, "got None"),
        (7, "got int 7"),
        (np.array(7), r"single value array\(7\)"),
        (pd.DataFrame({"a": [1], "b": [2]}), r"columns \['a', 'b'\]"),
    ],
)
def test_a_container_without_order_or_rows_is_refused(values, reason):
    with pytest.raises(InputError, match=reason):
        as_list(values)


def test_an_iterator_is_read_once_and_everything_else_stays():
    labels = ["a"]
    assert read_once(iter(labels)) == labels and read_once(labels) is labels


def test_tables_have_names_of_columns_and_arrays_have_none():
    assert column_names(pl.DataFrame({"a": [1]})) == ["a"]
    assert column_names(pa.table({"a": [1]})) == ["a"]
    assert column_names(np.eye(2)) is None


def test_one_column_is_read_as_a_list_and_several_stay_as_they_are():
    table, array = pd.DataFrame({"a": [1], "b": [0]}), np.eye(2)
    assert read_values(table) is table and read_values(array) is array
    assert read_values(np.zeros((2, 2, 2))).ndim == 3
    assert read_values(np.zeros((2, 0))) == [[], []]
    assert read_values(table[["a"]]) == [1] and read_values(iter("ab")) == ["a", "b"]
    rows = [np.array(["a"]), pd.Series(["a", "b"]), torch.tensor([1]), ["c"]]
    assert read_values(rows) == [["a"], ["a", "b"], [1], ["c"]]


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_values_without_dimensions_in_a_list_are_values(make):
    assert read_values([make(0), make(1)]) == [0, 1]
    assert read_values([make([0]), make([1, 2])]) == [[0], [1, 2]]
