import pytest

from nlptl import LogisticHead, OnnxClassifier, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.base.errors import ConfigError, StorageError
from nlptl.estimators.loading import load_any, load_every, load_predictor


def test_a_model_of_either_kind_is_read(few, tmp_path):
    texts, labels = few
    labelled = TextClassifier(TfidfEncoder()).fit(texts, labels)
    numbered = TextRegressor(TfidfEncoder()).fit(texts, [float(len(text)) for text in texts])
    assert isinstance(load_any(labelled.save(tmp_path / "a")), TextClassifier)
    assert isinstance(load_any(numbered.save(tmp_path / "b")), TextRegressor)


def test_other_kinds_and_no_model_are_named(few, tmp_path):
    TextRegressor(TfidfEncoder()).fit(few[0], [float(len(t)) for t in few[0]]).save(tmp_path / "r")
    manifest = tmp_path / "r" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("text-regressor", "text-poet"))
    with pytest.raises(StorageError, match="holds a text-poet, not a text-classifier"):
        load_any(tmp_path / "r")
    with pytest.raises(StorageError, match="There is no folder"):
        load_any(tmp_path / "nothing")


def test_a_graph_is_read_where_answers_are_all_that_is_asked(few, tiny_encoder, tmp_path):
    model = TextClassifier(tiny_encoder, head=LogisticHead(C=1.0)).fit(*few)
    folder = model.export(tmp_path / "g", format="onnx")
    assert isinstance(load_every(folder), OnnxClassifier)
    assert isinstance(load_predictor(str(folder)), OnnxClassifier)
    assert load_predictor(model.save(tmp_path / "m")) is None
    with pytest.raises(ConfigError, match="holds an exported graph"):
        load_any(folder)
