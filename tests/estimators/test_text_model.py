import inspect
import logging

import matplotlib.pyplot as plt
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import ConfusionMatrixDisplay

import nlptl
from nlptl import (
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TransformerEncoder,
    encoders,
)
from nlptl.estimators.text_model import TextModel

KINDS = [TextClassifier, TextRegressor]


@pytest.mark.parametrize("kind", KINDS)
def test_what_kinds_of_models_share_is_written_once(kind):
    shared = {"audit", "distill", "save", "load", "_fit"}
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


def test_a_loaded_model_is_shown_in_a_few_lines(few, tiny_encoder, tmp_path):
    model = TextClassifier(TransformerEncoder(tiny_encoder, cache=None)).fit(*few)
    loaded = TextClassifier.load(model.save(tmp_path / "model"))
    shown = repr(loaded)
    assert len(shown.replace(str(tmp_path), "")) < 200 and "PosixPath" not in shown
    parts = ("TransformerEncoder", "Pooling", "TextClassifier", "BlendHead", "LogisticHead")
    rebuilt = eval(
        shown, {name: getattr(encoders, name, None) or getattr(nlptl, name) for name in parts}
    )
    assert rebuilt.get_params(deep=False).keys() == loaded.get_params(deep=False).keys()
    assert rebuilt.encoder.pooling == loaded.encoder.pooling and repr(rebuilt) == shown


def test_word_vectors_are_shown_by_their_name(few, tmp_path):
    model = TextClassifier(StaticEncoder()).fit(*few)
    loaded = TextClassifier.load(model.save(tmp_path / "model"))
    assert "30522 vectors of 512 dimensions" in repr(loaded)
    plain = len(TextClassifier()._repr_html_())
    assert len(repr(loaded)) < 300 and len(loaded._repr_html_()) < plain + 10_000


def test_scikit_learn_draws_a_confusion_matrix_of_a_classifier(few):
    texts, labels = few
    model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    display = ConfusionMatrixDisplay.from_estimator(model, texts, labels)
    assert list(display.display_labels) == ["billing", "how_to"]
    assert display.confusion_matrix.sum() == len(texts)
    plt.close(display.figure_)


def test_saving_is_logged(few, tmp_path, caplog):
    model = TextClassifier(TfidfEncoder()).fit(*few)
    with caplog.at_level(logging.INFO, logger="nlptl"):
        model.save(tmp_path / "model")
    assert caplog.messages == [f"Saving the model to {tmp_path / 'model'}"]
