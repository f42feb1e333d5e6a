import shutil

import numpy as np
import pytest

from nlptl import Cascade, OnnxClassifier, TextClassifier, TfidfEncoder
from nlptl.base.errors import IntegrityError, StorageError
from nlptl.estimators.loading import load_any, load_every, load_predictor
from nlptl.estimators.multi_task import MultiTaskModel


def cascade_of(fast, accurate, threshold=0.3):
    """Return a cascade with a chosen threshold."""
    from nlptl.evaluation.cascade_report import CascadeReport

    cascade = Cascade(fast, accurate, max_loss=np.float32(0.01))
    cascade.threshold_ = threshold
    cascade.report_ = CascadeReport(100, True, 0.5, 0.001, 0.004, 1000.0, 10.0)
    return cascade


@pytest.fixture(scope="module")
def parts(support):
    texts, labels = support
    run = {"run": {"text_column": ["body"], "data": "C:/me/secret.csv"}}
    fast = TextClassifier(TfidfEncoder()).fit(texts[::4], labels[::4])
    accurate = TextClassifier(TfidfEncoder()).fit(texts[::2], labels[::2])
    fast.notes_ = accurate.notes_ = run
    return fast, accurate


@pytest.mark.parametrize("threshold", [0.3, float("inf")])
def test_a_saved_cascade_reads_back_equal(parts, support, tmp_path, threshold):
    cascade = cascade_of(*parts, threshold=threshold)
    again = Cascade.load(cascade.save(tmp_path / "c"))
    texts = support[0][1::7]
    np.testing.assert_allclose(again.predict_proba(texts), cascade.predict_proba(texts), atol=1e-6)
    assert (again.route(texts).passed_on == cascade.route(texts).passed_on).all()
    assert again.threshold_ == threshold and again.report_ == cascade.report_
    assert again.max_loss == pytest.approx(cascade.max_loss) and again.notes_ == parts[1].notes_
    assert isinstance(load_every(tmp_path / "c"), Cascade)
    assert isinstance(load_predictor(tmp_path / "c"), Cascade)
    cascade.save(tmp_path / "c")  # replaces it


def test_no_path_of_this_machine_is_kept_with_the_fast_model(parts, tmp_path):
    folder = cascade_of(*parts).save(tmp_path / "c", notes={})
    written = "".join(path.read_text() for path in folder.rglob("*.json"))
    assert "me/secret" not in written


def test_an_exported_graph_can_be_the_fast_model(support, tiny_encoder, tmp_path):
    pytest.importorskip("onnxruntime")
    texts, labels = support
    model = TextClassifier(tiny_encoder).fit(texts[::8], labels[::8])
    graph = OnnxClassifier.load(model.export(tmp_path / "graph", format="onnx"))
    cascade = cascade_of(graph, model)
    (tmp_path / "graph" / "other.txt").write_text("not a part of it")
    again = Cascade.load(cascade.save(tmp_path / "c"))
    assert isinstance(again.fast, OnnxClassifier)
    assert not (tmp_path / "c" / "fast" / "other.txt").exists()
    np.testing.assert_allclose(
        again.predict_proba(texts[:9]), cascade.predict_proba(texts[:9]), atol=1e-5
    )
    with pytest.raises(StorageError, match="stores no notes"):
        cascade_of(model, graph).save(tmp_path / "noted", notes={"a": 1})
    shutil.rmtree(tmp_path / "graph")
    with pytest.raises(StorageError, match="it is gone"):
        cascade.save(tmp_path / "other")


def test_a_changed_file_is_named(parts, tmp_path):
    folder = cascade_of(*parts).save(tmp_path / "c")
    (folder / "fast" / "model.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"fast/model\.json"):
        Cascade.load(folder)


def test_a_folder_with_other_content_stays(parts, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="not a model"):
        cascade_of(*parts).save(tmp_path / "c")
    with pytest.raises(StorageError, match="holds a cascade"):
        MultiTaskModel.load(cascade_of(*parts).save(tmp_path / "d"))
    with pytest.raises(Exception, match="can only predict"):
        load_any(tmp_path / "d")


def test_a_threshold_that_was_tampered_with_is_refused(parts, tmp_path, reseal):
    folder = cascade_of(*parts).save(tmp_path / "c")
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"threshold": 0.3', '"threshold": "low"'))
    reseal(folder)
    with pytest.raises(IntegrityError):
        Cascade.load(folder)
