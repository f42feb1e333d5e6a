from dataclasses import dataclass

import pytest
from sklearn.base import clone

from nlptl.base.errors import ConfigError
from nlptl.base.specs import NestedParams, Spec, with_param
from nlptl.heads import LogisticHead


@dataclass(frozen=True)
class Inner(Spec):
    size: int = 1


@dataclass(frozen=True)
class Outer(Spec):
    inner: Inner = Inner()
    name: str = "a"


class Model(NestedParams):
    def __init__(self, part=None, parts=(), head=None):
        self.part = part
        self.parts = parts
        self.head = head


def test_parameters_reach_into_specs_lists_and_estimators():
    params = Model(Outer(), [Inner(2), Inner(3)], LogisticHead()).get_params()
    assert params["part__inner__size"] == 1
    assert params["parts__1__size"] == 3
    assert params["head__C"] == "cv"


def test_setting_a_nested_parameter_leaves_the_old_objects_as_they_were():
    part, head = Outer(), LogisticHead()
    model = Model(part, [Inner(2)], head)
    model.set_params(part__inner__size=9, parts__0__size=8, head__C=3.0)
    assert (model.part.inner.size, model.parts[0].size, model.head.C) == (9, 8, 3.0)
    assert part.inner.size == 1
    assert head.C == "cv"


def test_a_whole_object_is_set_before_its_parts():
    model = Model(Outer())
    model.set_params(part__name="b", part=Outer(Inner(5)))
    assert model.part == Outer(Inner(5), "b")


def test_clone_shares_specs_and_copies_estimators():
    model = Model(Outer(), [Inner()], LogisticHead())
    copy = clone(model)
    assert copy.part is model.part
    assert copy.head is not model.head


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"prt": 1}, "Did you mean 'part'"),
        ({"part__iner__size": 1}, "Did you mean 'inner'"),
        ({"parts__7__size": 1}, "no position in a list of 1"),
        ({"nothing__x": 1}, "no parameter 'nothing__x'"),
    ],
)
def test_an_unknown_parameter_is_named_with_a_suggestion(params, said):
    with pytest.raises(ConfigError, match=said):
        Model(Outer(), [Inner()]).set_params(**params)


def test_a_plain_value_has_no_parameters():
    with pytest.raises(ConfigError, match="3 has no parameter 'x'"):
        with_param(3, ["x"], 1)
