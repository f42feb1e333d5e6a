import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from nlptl.base.errors import InputError
from nlptl.data.labels import LabelCodec, are_lists, distinct

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
