import inspect

import pytest
from sklearn.exceptions import NotFittedError

from nlptl import StaticEncoder, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.estimators.text_model import TextModel

KINDS = [TextClassifier, TextRegressor]


@pytest.mark.parametrize("kind", KINDS)
def test_what_kinds_of_models_share_is_written_once(kind):
    shared = {"audit", "coverage", "distill", "save", "load", "_fit"}
    assert issubclass(kind, TextModel)
    assert not shared & set(vars(kind))
    assert shared <= set(vars(TextModel))


@pytest.mark.parametrize("kind", KINDS)
def test_the_options_that_are_saved_are_options_of_the_constructor(kind):
    assert set(kind.kept_options) <= set(inspect.signature(kind).parameters)


def test_a_manifest_tells_the_kinds_apart():
    assert len({kind.kind for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_coverage_is_told_of_a_fitted_model(kind, vectors_file, few):
    texts, _ = few
    model = kind(StaticEncoder(vectors_file))
    with pytest.raises(NotFittedError):
        model.coverage(texts)
    model.fit(texts, [0.0, 1.0] * 20)
    assert 0 < model.coverage(["the zebra"]).tokens < 1


def test_an_audit_needs_no_fit(few):
    texts, labels = few
    assert TextClassifier(TfidfEncoder()).audit([*texts, texts[0]], [*labels, "x"]).repeated == 1
