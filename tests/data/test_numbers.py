import numpy as np
import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.data.numbers import as_numbers


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
