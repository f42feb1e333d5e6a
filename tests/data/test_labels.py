import json
from decimal import Decimal
from enum import Enum

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from nlptl.base.errors import InputError
from nlptl.data.labels import (
    LabelCodec,
    are_lists,
    as_values,
    check_lengths,
    distinct,
    joined_values,
    values_at,
)

SINGLE = {
    "str": ["b", "a", "b"],
    "int": [3, -1, 3],
    "bool": [True, False, True],
    "float": [0.5, 0.25, 0.5],
    "tuple": [("x", 1), ("a", 2), ("x", 1)],
    "array": np.array([2, 1, 2], dtype=np.int32),
    "column array": np.array([[2], [1], [2]]),
    "str array": np.array(["b", "a", "b"]),
    "numpy scalars": [np.int64(4), np.int64(2), np.int64(4)],
    "pandas": pd.Series(["b", "a", "b"], index=[5, 6, 7]),
    "pandas category": pd.Series(["b", "a", "b"], dtype="category"),
    "polars": pl.Series(["b", "a", "b"]),
}


@pytest.mark.parametrize("labels", SINGLE.values(), ids=SINGLE)
def test_labels_come_back_as_they_were_given(labels):
    codec = LabelCodec.learn(labels)
    assert codec.encode(labels).tolist() == [1, 0, 1]
    decoded = codec.decode(np.array([1, 0, 1]))
    plain = (
        np.asarray(labels, dtype=object).ravel().tolist()
        if "tuple" not in str(type(next(iter(labels))))
        else list(labels)
    )
    assert decoded.tolist() == plain
    assert type(decoded.tolist()[0]) is type(plain[0]) or isinstance(plain[0], np.generic)


@pytest.mark.parametrize("labels", SINGLE.values(), ids=SINGLE)
def test_a_codec_survives_json(labels):
    codec = LabelCodec.learn(labels)
    again = LabelCodec.from_json(json.loads(json.dumps(codec.to_json())))
    assert again.classes.tolist() == codec.classes.tolist()
    assert again.classes.dtype == codec.classes.dtype
    assert again.encode(labels).tolist() == codec.encode(labels).tolist()


def test_lists_of_labels_come_back_as_lists():
    labels = [["b", "a"], [], ["c"], {"a"}]
    codec = LabelCodec.learn(labels)
    codes = codec.encode(labels)
    assert codes.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert codec.decode(codes) == [["a", "b"], [], ["c"], ["a"]]


@pytest.mark.parametrize("wrap", [np.array, sparse.csr_matrix, pd.DataFrame])
def test_an_indicator_comes_back_as_an_indicator(wrap):
    given = np.array([[1, 0, 1], [0, 0, 0]])
    codec = LabelCodec.learn(wrap(given))
    np.testing.assert_array_equal(codec.decode(codec.encode(wrap(given))), given)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("abc", "got 'abc'"),
        (None, "got None"),
        (7, "got int 7"),
        (["a", None], r"row 1 is missing \(None\)"),
        ([1.0, float("nan")], r"row 1 is missing \(nan\)"),
        (["a", "a"], "all 2 are 'a'"),
        (["a", 1], "Labels mix int and str: 1, 'a'"),
        ([True, 2], "Labels mix bool and int"),
        ([{"x": 1}, {"y": 2}], "row 0 is {'x': 1}"),
        ([["a"], "b"], "row 1 is 'b', but other rows hold lists"),
        ([[], []], "empty list of labels"),
        (np.array([[0, 2], [1, 0]]), "must be zeros and ones"),
        (np.zeros((2, 2, 2)), "one or two dimensions"),
    ],
)
def test_what_is_no_label_is_named(labels, said):
    with pytest.raises(InputError, match=said):
        LabelCodec.learn(labels)


def test_a_label_never_seen_names_row_value_and_the_nearest():
    codec = LabelCodec.learn(["positive", "negative"])
    with pytest.raises(InputError, match="'postive' at row 1 was never seen.*'positive'"):
        codec.encode(["negative", "postive"])
    with pytest.raises(InputError, match=r"shape \(n, 2\), got shape \(1, 3\)"):
        LabelCodec.learn(np.eye(2)).encode(np.eye(3)[:1])


def test_whole_and_broken_numbers_may_be_mixed():
    assert distinct([1, 2.5, 1]).tolist() == [1.0, 2.5]


def test_answers_that_are_lists_are_told_from_others():
    assert are_lists([["a"], []]) and are_lists(np.eye(2)) and are_lists([{"a"}])
    assert not are_lists(["ab", 1, ("a", "b")]) and not are_lists([])


class Tone(str, Enum):
    GOOD = "good"
    BAD = "bad"


ROWS = [[1, 0, 1], [0, 1, 1], [0, 0, 0]]
CONTAINERS = {
    "lists": lambda: ROWS,
    "numbers with decimals": lambda: np.array(ROWS, float).tolist(),
    "generator": lambda: (row for row in ROWS),
    "pandas": lambda: pd.Series(ROWS),
    "pandas of arrays": lambda: pd.Series([np.array(row) for row in ROWS]),
    "polars": lambda: pl.Series(ROWS),
    "arrow": lambda: pa.array(ROWS),
    "tensor": lambda: torch.tensor(ROWS),
    "tensors": lambda: [torch.tensor(row) for row in ROWS],
    "truth values": lambda: np.array(ROWS, bool),
    "datasets": lambda: datasets.Dataset.from_dict({"labels": ROWS})["labels"],
}


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_rows_of_zeros_and_ones_in_any_container_are_columns(make):
    codec = LabelCodec.learn(make())
    assert codec.form == "indicator" and codec.classes.tolist() == [0, 1, 2]
    assert codec.encode(make()).tolist() == ROWS


TABLES = {
    "pandas": lambda frame: frame,
    "pandas with missing values allowed": lambda frame: frame.astype("Int64"),
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
    "datasets": datasets.Dataset.from_pandas,
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_the_columns_of_a_table_name_the_classes(make):
    frame = pd.DataFrame(ROWS, columns=["toxic", "insult", "threat"])
    codec = LabelCodec.learn(make(frame))
    assert codec.classes.tolist() == ["toxic", "insult", "threat"]
    again = LabelCodec.from_json(json.loads(json.dumps(codec.to_json())))
    assert again.encode(make(frame[["threat", "toxic", "insult"]])).tolist() == ROWS
    assert again.encode(np.array(ROWS)).tolist() == ROWS
    with pytest.raises(InputError, match=r"Unknown columns: \['spam'\]"):
        again.encode(make(frame.rename(columns={"toxic": "spam"})))


def test_a_codec_of_an_older_folder_has_columns_without_names():
    codec = LabelCodec.from_json({"form": "indicator", "dtype": "<i8", "classes": [0, 1, 2]})
    frame = pd.DataFrame(ROWS, columns=["toxic", "insult", "threat"])
    assert codec.encode(frame).tolist() == ROWS


EXACT = {
    "whole numbers of 64 bits": [2**63 + 5, 1],
    "whole numbers of more bits": [2**70, -1],
    "below zero and above 63 bits": [-1, 2**63],
    "a NUL at the end": ["a\0", "a"],
    "whole and broken numbers": [1, 2.5],
    "negative zero": [-0.0, 1.0],
    "odd texts": ["e\u0301", "\u00e9", "\u200d", "1"],
    "tuples": [("a", 1), ("a", 1.5), ("", "b")],
    "truth values": [True, False],
}


@pytest.mark.parametrize("labels", EXACT.values(), ids=EXACT)
def test_labels_keep_value_and_type_through_a_folder(labels):
    codec = LabelCodec.learn(labels)
    again = LabelCodec.from_json(json.loads(json.dumps(codec.to_json())))
    assert again.classes.dtype == codec.classes.dtype
    assert repr(again.decode(again.encode(labels)).tolist()) == repr(labels)


def test_arrays_without_sign_stay_arrays():
    assert LabelCodec.learn(np.array([2**63 + 5, 1], np.uint64)).classes.dtype == np.uint64


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([Tone.GOOD, Tone.BAD], "member of an enumeration. Pass its value"),
        (["half \ud83d", "whole"], "row 0 is 'half .ud83d', which cannot be saved"),
        ([1, 10**5000], "row 1 is a number of 16610 bits"),
        (["a", " \t"], r"row 1 is missing \(' .t'\)"),
        ([["a", ""], ["b"]], r"row 0 is missing \(''\)"),
        (pd.Series(["a", pd.NA], dtype="string"), "row 1 is missing"),
        (pa.array(["a", None]), r"row 1 is missing \(None\)"),
        ([1, 1.0, 2], "both 1 and 1.0, which are equal"),
        ([0.0, -0.0, 1.0], "both 0.0 and -0.0"),
        ([Decimal(1), Decimal(2)], "Decimal"),
        ([b"a", b"b"], "bytes"),
        (np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]"), "datetime64"),
        ([(1, 0, 1), (0, 1, 1)], "labels that are tuples"),
        ({"a": 1, "b": 2}, "got a dict"),
        ({"a", "b"}, "got a set"),
        (pd.DataFrame(ROWS, columns=["a", "", "b"]), r"columns \['a', '', 'b'\] cannot be classes"),
    ],
)
def test_labels_that_would_not_come_back_are_refused(labels, reason):
    with pytest.raises(InputError, match=reason):
        LabelCodec.learn(labels)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([1, 0], "row 0 is 1, of another type than the classes of the model, which are '0', '1'"),
        (["1", 0], "row 1 is 0, of another type"),
        (["1", None], r"row 1 is missing \(None\)"),
        (["1", float("nan")], r"row 1 is missing \(nan\)"),
        ([["1"], ["0"]], r"got lists such as \['1'\]"),
    ],
)
def test_labels_of_another_type_and_missing_labels_are_refused_even_where_unseen_ones_are_not(
    labels, reason
):
    codec = LabelCodec.learn(["0", "1"])
    assert codec.encode(["1", "2"], allow_unseen=True).tolist() == [1, -1]
    with pytest.raises(InputError, match=reason):
        codec.encode(labels, allow_unseen=True)


def test_a_row_with_an_unseen_label_is_marked_as_a_whole():
    codec = LabelCodec.learn([["a", "b"], ["a"]])
    assert codec.encode([["a", "c"], ["b"]], allow_unseen=True).tolist() == [[-1, -1], [0, 1]]


def test_lists_that_were_read_stay_lists_where_a_part_of_them_looks_like_columns():
    values = as_values([[0], [1], [0, 1]])
    part = values_at(values, np.array([0, 1]))
    assert LabelCodec.learn(part).form == "lists"
    assert LabelCodec.learn(joined_values(part, values)).form == "lists"
    with pytest.raises(InputError, match="Expected labels of one form, got a list such as"):
        joined_values(part, as_values(np.eye(2)))


def test_codes_of_another_number_of_rows_are_refused():
    with pytest.raises(InputError, match="got 2 texts and 1 labels"):
        check_lengths(np.zeros(1, int), np.zeros(2, int))


def test_labels_that_were_read_are_not_read_again():
    values = as_values(["a", "b"])
    assert as_values(values) is values and as_values(values, form="single") is values
    rows = as_values([(0, 1), (1, 1)], form="single")
    assert as_values(rows) is rows
    assert as_values(rows, form="indicator").shape == (2, 2)
