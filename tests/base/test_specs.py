from dataclasses import dataclass
from pathlib import Path

import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from nlptl import FusedEncoder, TfidfEncoder, TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.base.specs import NestedParams, Spec, short_repr, with_param
from nlptl.encoders import Pooling
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


def test_a_pipeline_sets_parameters_of_its_steps_without_changing_a_clone(tiny_encoder):
    texts, labels = ["good film", "bad film", "late parcel", "lost box"] * 3, [0, 0, 1, 1] * 3
    pipeline = make_pipeline(TransformerEncoder(tiny_encoder, cache=None), LogisticRegression())
    copy = clone(pipeline)
    copy.set_params(transformerencoder__max_length=16)
    assert [step.max_length for step in (copy[0], pipeline[0])] == [16, None]
    grid = {"transformerencoder__pooling": [Pooling(layers=(1,)), Pooling(layers=(1, 2))]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(texts, labels)
    chosen = search.best_params_["transformerencoder__pooling"]
    assert search.best_estimator_[0].pooling == chosen
    assert search.best_estimator_[-1].coef_.shape[1] == search.best_estimator_[0].open().dim


def test_set_params_sets_a_whole_object_before_its_parts():
    encoder = TransformerEncoder()
    encoder.set_params(pooling__layers=(1, 2), pooling=Pooling(join="mean"))
    assert encoder.pooling == Pooling(join="mean", layers=(1, 2))


def test_set_params_checks_names_and_values():
    nested = FusedEncoder((TfidfEncoder(), TfidfEncoder(1)))
    assert nested.set_params(encoders__0__most_terms=7).encoders[0].most_terms == 7
    with pytest.raises(ConfigError, match="Did you mean 'most_terms'"):
        TfidfEncoder().set_params(most_term=3)
    with pytest.raises(ConfigError, match="most_terms >= 1"):
        TfidfEncoder().set_params(most_terms=0)


def test_a_new_setting_replaces_what_depended_on_the_old_one(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, cache=None).open()
    assert encoder.transform(["a parcel"]).shape == (1, encoder.dim)
    layers = Pooling(layers=(1, 2))
    assert encoder.set_params(pooling=layers) is encoder
    assert encoder.open().transform(["a parcel"]).shape[1] == encoder.open().dim
    assert len(encoder.open().groups) == 2


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


def test_a_parameter_of_a_default_part_asks_for_the_part():
    with pytest.raises(ConfigError, match=r"head is None, .* for example head=LogisticHead\(\)"):
        Model().set_params(head__C=1.0)
    Model().set_params(head=LogisticHead(), head__C=1.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Outer(), "Outer()"),
        (Outer(Inner(2)), "Outer(inner=Inner(size=2))"),
        ([Inner(), Inner(3)], "[Inner(), Inner(size=3)]"),
        ((Inner(),), "(Inner(),)"),
        ((Inner(), 1), "(Inner(), 1)"),
        (Path("a") / "b", repr(str(Path("a") / "b"))),
        (TfidfEncoder(), "TfidfEncoder()"),
        (LogisticHead(C=2.0), "LogisticHead(C=2.0)"),
    ],
)
def test_only_what_differs_from_the_default_is_shown(value, shown):
    assert short_repr(value) == shown
    assert repr(Model(value)) == f"Model(part={shown})"


def test_fitted_parts_of_a_spec_are_not_shown():
    fitted = TfidfEncoder().fit(["good film", "bad film"])
    assert short_repr(fitted) == "TfidfEncoder()"


def test_a_long_estimator_is_shown_with_one_parameter_per_line():
    model = Model(part="a" * 50, parts=["b" * 50])
    assert repr(model) == f"Model(part={'a' * 50!r},\n      parts={['b' * 50]!r})"


def test_a_former_name_of_a_parameter_is_accepted_with_a_warning():
    with pytest.warns(FutureWarning, match="'dtype' of TransformerEncoder is called 'precision'"):
        encoder = TransformerEncoder(dtype="float32")
    assert encoder == TransformerEncoder(precision="float32")
    assert "dtype" not in encoder.get_params()
    assert clone(encoder) == encoder
