import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from nlptl.base.described import checked, entry, finite, make, plain_value


@dataclass
class Choice:
    name: str
    size: int = 1
    share: float | str = 0.5
    layers: tuple[int, ...] = ()
    counts: Any = None
    mode: Literal["windows", "cut"] = "cut"


def test_an_object_is_made_of_its_options_and_lists_become_tuples():
    assert make(Choice, {"name": "a", "layers": [1, 2], "size": 3.0}) == Choice(
        "a", 3.0, 0.5, (1, 2)
    )


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ([], "options by name"),
        (None, "options by name"),
        ({}, "lacks 'name'"),
        ({"name": 1}, "'name' is 1, expected str"),
        ({"name": "a", "other": 1}, "no option 'other'"),
        ({"name": "a", "size": "3"}, "'size' is '3', expected int"),
        ({"name": "a", "size": 2.5}, "expected int"),
        ({"name": "a", "size": 10**400}, "expected int"),
        ({"name": "a", "size": None}, "expected int"),
        ({"name": "a", "share": [0.5]}, "expected float | str"),
        ({"name": "a", "layers": "12"}, "'layers' is '12'"),
        ({"name": "a", "layers": [1, "2"]}, "'layers'"),
        ({"name": "a", "mode": "x"}, "'mode'"),
    ],
)
def test_options_of_other_names_or_types_are_refused(described, reason):
    with pytest.raises(TypeError, match=reason.replace("|", r"\|")):
        make(Choice, described)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": 1}, dict[str, int]),
        ({"a": None}, Mapping[str, int | None]),
        ([["a", 1]], list[tuple[str, int]]),
        (["a"], Sequence[str]),
        (["a"], Collection[str]),
        ("cut", Literal["windows", "cut"] | None),
        (None, str | None),
        ([1], list),
        (True, bool),
        (1, float),
    ],
)
def test_a_value_of_the_right_type_passes(value, kind):
    checked(value, kind, "x")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([], dict[str, int]),
        ({"a": "1"}, dict[str, int]),
        ([["a", 1, 2]], list[tuple[str, int]]),
        ("a", list[str]),
        ([1], str | None),
        (1, bool),
        ("1", float),
        ({}, list),
    ],
)
def test_a_value_of_another_type_is_refused(value, kind):
    with pytest.raises(TypeError, match="'x' is"):
        checked(value, kind, "x")


def test_an_entry_is_looked_up_only_in_objects():
    with pytest.raises(KeyError):
        entry({}, "a", int)
    with pytest.raises(TypeError, match="an object with 'a'"):
        entry(["a"], "a", int)


def test_numbers_are_finite_and_as_many_as_expected():
    np.testing.assert_array_equal(finite({"a": [1, 2.5]}, "a", size=2), [1, 2.5])
    for numbers in ([float("nan")], [float("inf")], [1, 2]):
        with pytest.raises(ValueError, match="'a' holds"):
            finite({"a": numbers}, "a", size=1)
    with pytest.raises(TypeError):
        finite({"a": [[1]]}, "a")


def test_values_of_numpy_and_sets_are_written_as_json():
    values = {"seed": np.int64(3), "rate": np.float32(0.5), "gate": {"b", "a"}}
    written = json.loads(json.dumps(values, default=plain_value))
    assert written == {"seed": 3, "rate": 0.5, "gate": ["a", "b"]}
    with pytest.raises(TypeError, match="object is not JSON"):
        json.dumps({"x": object()}, default=plain_value)
