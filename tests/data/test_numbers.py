import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nlptl.base.errors import InputError
from nlptl.data.numbers import as_numbers, as_weights


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5],
        (np.int64(1), np.float32(2.5)),
        np.array([1, 2.5], dtype=np.float32),
        np.array([[1.0], [2.5]]),
        pd.Series([1.0, 2.5], index=[7, 9]),
        pd.DataFrame({"score": [1.0, 2.5]}),
    ],
    ids=lambda values: type(values).__name__,
)
def test_numbers_come_from_any_container(values):
    found = as_numbers(values)
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, float("nan")], "row 1 is nan, which is not finite"),
        ([float("-inf")], "row 0 is -inf"),
        ([10**400], "row 0 is inf"),
        ([1, "2.5"], r"row 1 is '2.5' \(str\)"),
        ([True, False], r"row 0 is True \(bool\)"),
        (np.array([True]), "row 0 is True"),
        ([0.5, None], r"row 1 is None \(NoneType\)"),
        ("1.5", "got '1.5'"),
        (3.5, "got float 3.5"),
        (None, "got None"),
        (np.ones((2, 2)), r"shape \(2, 2\)"),
    ],
    ids=repr,
)
def test_what_is_no_number_is_shown(values, said):
    with pytest.raises(InputError, match=said):
        as_numbers(values)


def test_numbers_and_weights_are_read_once_from_any_container():
    assert as_numbers(float(value) for value in "12").tolist() == [1.0, 2.0]
    assert as_numbers(pa.array([1, 2])).tolist() == [1.0, 2.0]
    assert as_weights(iter([1, 0.5]), 2).tolist() == [1.0, 0.5]
    assert as_weights(np.ones((2, 1)), 2).tolist() == [1.0, 1.0]
    assert as_weights(None, 2) is None


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ([1, -1], "holds -1 at row 1"),
        ([float("nan"), 1], "holds nan at row 0"),
        ([1, float("inf")], "holds inf at row 1"),
        ([1, None], "holds None at row 1"),
        ([1], "must hold 2 numbers of 0 or more, one per text and not all 0, got 1"),
        ([0, 0], "got 2 with the sum 0"),
        ({1, 2}, "got a set, which has no order"),
    ],
)
def test_weights_that_cannot_be_used_are_shown_with_their_row(weights, reason):
    with pytest.raises(InputError, match=reason):
        as_weights(weights, 2)
