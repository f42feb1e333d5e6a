import numpy as np
import pytest

from nlptl.base.errors import IntegrityError
from nlptl.storage.differences import difference, restored


def test_what_is_the_same_is_left_out_and_all_else_comes_back_to_the_last_bit():
    rng = np.random.default_rng(0)
    base = {
        "same": rng.normal(size=(5, 4)).astype(np.float32),
        "few": rng.normal(size=(20, 3)),
        "all": rng.normal(size=(20, 3)),
        "line": rng.normal(size=7),
        "nan": np.array([np.nan, 1.0]),
    }
    own = {name: array.copy() for name, array in base.items()}
    own["few"][[3, 11]] += 1
    own["all"] += 1
    own["line"][0] = 2
    found = difference(base, own)
    assert sorted(found) == ["rows:few", "values:few", "whole:all", "whole:line"]
    again = restored(base, found)
    assert set(again) == set(own)
    for name, array in own.items():
        np.testing.assert_array_equal(again[name], array)


def test_arrays_of_another_shape_kind_or_name_are_given_whole():
    base = {"a": np.zeros((4, 2)), "b": np.zeros(3, np.float32)}
    own = {"a": np.zeros((5, 2)), "b": np.zeros(3), "c": np.ones(1)}
    again = restored(base, difference(base, own))
    for name, array in own.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype


def test_a_difference_to_something_else_is_refused():
    base, own = {"a": np.zeros((9, 2))}, {"a": np.eye(9, 2)}
    with pytest.raises(IntegrityError, match="'a'"):
        restored({"a": np.zeros((9, 3))}, difference(base, own))


@pytest.mark.parametrize(
    "rows", [np.array([9]), np.array([-1]), np.array([0.0]), np.array([0, 1]), np.array([[0]])]
)
def test_rows_that_are_not_there_are_refused(rows):
    base = {"a": np.zeros((9, 2))}
    with pytest.raises(IntegrityError, match="'a'.*rows that are not there"):
        restored(base, {"rows:a": rows, "values:a": np.ones((1, 2))})
    with pytest.raises(IntegrityError, match="rows that are not there"):
        restored(base, {"values:a": np.ones((1, 2))})
