import numpy as np
import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.data.indicators import Indicator, read_rows

NAMES = ["toxic", "insult", "threat"]
CODES = np.array([[1, 0, 1], [0, 1, 1]])


def table(codes=CODES, names=NAMES):
    return pd.DataFrame(codes, columns=names)


def test_named_columns_are_aligned_by_name():
    indicator = Indicator.of_table(table(), NAMES)
    turned = Indicator.of_table(table(CODES[:, ::-1], NAMES[::-1]), NAMES[::-1])
    assert indicator.names == tuple(NAMES)
    assert turned.aligned(np.array(NAMES)).tolist() == CODES.tolist()
    joined = indicator.followed_by(turned)
    assert joined.codes.tolist() == [*CODES.tolist(), *CODES.tolist()]
    assert joined.take(np.array([3])).codes.tolist() == [[0, 1, 1]]


def test_columns_without_names_are_aligned_by_place():
    indicator = Indicator.of_table(table(names=range(3)), range(3))
    assert indicator.names is None
    assert indicator.aligned(np.array(NAMES)).tolist() == CODES.tolist()
    with pytest.raises(InputError, match=r"shape \(n, 2\), got shape \(2, 3\)"):
        indicator.aligned(np.arange(2))


def test_other_columns_are_refused_by_name():
    indicator = Indicator.of_table(table(), NAMES)
    reason = r"Missing columns: \['spam'\]. Unknown columns: \['threat'\]"
    with pytest.raises(InputError, match=reason):
        indicator.aligned(np.array(["toxic", "insult", "spam"]))


@pytest.mark.parametrize("value", [2, "1", None, float("nan"), 0.5])
def test_a_value_that_is_neither_zero_nor_one_is_shown_with_its_place(value):
    wrong = table().astype(object)
    wrong.iloc[1, 2] = value
    with pytest.raises(InputError, match=f"got {value!r} at row 1, column 'threat'"):
        Indicator.of_table(wrong, NAMES)
    with pytest.raises(InputError, match=f"got {value!r} at row 1, column 2"):
        Indicator.of_array(wrong.to_numpy())


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(InputError, match="2 label columns are called 'a'"):
        Indicator.of_table(table(names=["a", "a", "b"]), ["a", "a", "b"])


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 0, 1], [0, 0, 1]],
        [[1.0, 0.0], [0.0, 1.0]],
        [[True, False], [False, True]],
        [[1, 1], [1, 0]],
    ],
)
def test_rows_that_can_only_be_columns_are_read_as_such(rows):
    assert read_rows(rows, indicator=None).codes.tolist() == rows


@pytest.mark.parametrize("rows", [[["a"], ["b"]], [[0], [1], [0, 1]], [[3, 4], [4, 5]], [[], []]])
def test_lists_of_labels_are_no_columns(rows):
    assert read_rows(rows, indicator=None) is None


@pytest.mark.parametrize(
    ("rows", "other"),
    [
        ([[1, 0], [0, 1]], "lists of labels that are called 0 and 1"),
        ([[1], [0]], "lists of labels"),
        ([(1, 0, 1), (0, 0, 1)], "labels that are tuples"),
    ],
)
def test_rows_that_can_be_read_in_two_ways_are_refused_with_both(rows, other):
    with pytest.raises(InputError, match=f"columns, one per class, or {other}.*numpy.array"):
        read_rows(rows, indicator=None)
    assert read_rows(rows, indicator=True).codes.tolist() == [list(row) for row in rows]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[1, 0, 2], [0, 0, 1]], "got 2 at row 0, column 2"),
        ([[0.9, 0.1], [0.2, 0.8]], "got 0.9 at row 0, column 0"),
    ],
)
def test_rows_that_are_neither_columns_nor_lists_of_labels_are_refused(rows, reason):
    with pytest.raises(InputError, match=reason):
        read_rows(rows, indicator=None)


def test_rows_of_different_lengths_are_no_columns():
    with pytest.raises(InputError, match=r"rows such as \[1\] with \[1, 2\] values"):
        read_rows([[1], [0, 1]], indicator=True)


def test_it_can_be_read_as_an_array():
    indicator = Indicator(CODES, tuple(NAMES))
    assert np.asarray(indicator).tolist() == CODES.tolist() and len(indicator) == 2
    assert indicator.shape == (2, 3) and indicator[0].tolist() == [1, 0, 1]
    assert [row.tolist() for row in indicator] == CODES.tolist()
