import copy
import io
import json
import pickle
import shutil
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest

from nlptl import LogisticHead, OnnxClassifier, TextClassifier, TransformerEncoder
from nlptl.base.errors import (
    ConfigError,
    EncoderNotFoundError,
    InputError,
    IntegrityError,
    StorageError,
)
from nlptl.saving.onnx import onnx_classifier

WORDS = "help late money card phone".split()
TEXTS = [" ".join(WORDS[i % 5 :] + WORDS[: i % 3]) for i in range(24)]
LABELS = [3, 1, 2, 1] * 6
MANY = [" ".join(WORDS * (1 + i * 7 % 11) + [WORDS[i % 5]]) for i in range(40)]


@pytest.fixture(scope="module")
def model(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, cache=None, precision="float32")
    return TextClassifier(encoder, head=LogisticHead(C=100.0), device="cpu").fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("graph") / "g", format="onnx")


def test_answers_come_in_the_order_of_the_texts_whatever_their_lengths(model, folder, monkeypatch):
    monkeypatch.setattr(onnx_classifier, "TOKENS_PER_THREAD", 64)  # many batches
    graph = OnnxClassifier.load(folder, threads=1)
    expected = model.predict_proba(MANY)
    assert np.unique(expected.round(4), axis=0).shape[0] > 10
    np.testing.assert_allclose(graph.predict_proba(MANY), expected, atol=1e-4)
    assert graph.predict(MANY).tolist() == model.predict(MANY).tolist()
    assert graph.predict(MANY).dtype == model.predict(MANY).dtype


def test_one_text_is_answered_as_it_is_among_others(folder):
    graph = OnnxClassifier.load(folder)
    several = graph.predict_proba(MANY)
    for place in (0, 3, 39):  # one of them is read in windows
        np.testing.assert_allclose(graph.predict_proba([MANY[place]])[0], several[place], atol=1e-5)


def test_figures_are_those_of_the_model(model, folder):
    graph = OnnxClassifier.load(folder)
    assert graph.evaluate(TEXTS, LABELS) == pytest.approx(model.evaluate(TEXTS, LABELS), abs=1e-4)
    assert graph.class_scores(TEXTS, LABELS) == model.class_scores(TEXTS, LABELS)


def test_neither_torch_nor_what_is_slow_to_import_is_needed(folder):
    code = (
        "import sys; from nlptl import OnnxClassifier;"
        f"graph = OnnxClassifier.load({str(folder)!r}); print(graph.predict(['help']).tolist());"
        "print({'torch', 'transformers', 'sklearn', 'pandas', 'onnx'} & set(sys.modules));"
        "graph.predict(['late ' * 60]); print({'torch', 'transformers'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answers, *loaded = found.stdout.strip().splitlines()
    assert set(json.loads(answers)) <= {1, 2, 3} and loaded == ["set()", "set()"]


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "nlptl_onnx.json"])
def test_a_changed_byte_is_named(folder, tmp_path, name):
    place = shutil.copytree(folder, tmp_path / "g")
    content = bytearray((place / name).read_bytes())
    content[len(content) // 2] ^= 1
    (place / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{name!r}.* changed or damaged"):
        OnnxClassifier.load(place)


def test_a_graph_that_does_not_belong_there_is_named(folder, tmp_path):
    place = shutil.copytree(folder, tmp_path / "g")
    shutil.copy(place / "model.onnx", place / "other.onnx")
    with pytest.raises(IntegrityError, match="'other.onnx'.* not part of the model"):
        OnnxClassifier.load(place)


def test_what_is_no_graph_is_refused_in_a_sentence(model, folder, tmp_path):
    from nlptl.storage.manifest import write_manifest

    with pytest.raises(StorageError, match="holds a text-classifier, not a onnx-classifier"):
        OnnxClassifier.load(model.save(tmp_path / "m"))
    place = shutil.copytree(folder, tmp_path / "g")
    (place / "model.onnx").write_bytes(b"no graph")
    (place / "manifest.json").unlink()
    write_manifest(place, kind=onnx_classifier.KIND, version="0")
    with pytest.raises(IntegrityError, match="cannot be read as a graph"):
        OnnxClassifier.load(place)
    (place / "nlptl_onnx.json").write_text("{}")
    (place / "manifest.json").unlink()
    write_manifest(place, kind=onnx_classifier.KIND, version="0")
    with pytest.raises(IntegrityError, match=r"cannot be understood \(KeyError"):
        OnnxClassifier.load(place)


def moved(settings, tmp_path):
    """Keep the weights of a graph in a file outside of its folder."""
    import onnx

    graph = onnx.load(settings / "model.onnx")
    (tmp_path / "outside").mkdir()
    onnx.save(
        graph,
        tmp_path / "outside" / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../outside/weights.bin"
    content = graph.SerializeToString()
    assert b"../outside/weights.bin" in content
    (settings / "model.onnx").write_bytes(content)


def unread(settings, _tmp_path):
    path = settings / "tokenizer.json"
    regex = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
    path.write_text(json.dumps({**json.loads(path.read_text()), "normalizer": regex}))


def beyond(settings, _tmp_path):
    path = settings / "tokenizer.json"
    described = json.loads(path.read_text())
    for word in described["model"]["vocab"]:
        described["model"]["vocab"][word] += 1_000
    path.write_text(json.dumps(described))


def deep(settings, _tmp_path):
    (settings / "nlptl_onnx.json").write_text("[" * 100_000)


@pytest.mark.parametrize("change", [moved, unread, beyond, deep])
def test_an_export_that_makes_no_sense_is_refused_at_load(folder, tmp_path, reseal, change):
    place = shutil.copytree(folder, tmp_path / "g")
    change(place, tmp_path)
    reseal(place)
    with pytest.raises((IntegrityError, EncoderNotFoundError)):
        OnnxClassifier.load(place)


def test_pairs_are_refused_where_single_texts_are_known(folder):
    with pytest.raises(InputError, match="trained on single texts, got pairs"):
        OnnxClassifier.load(folder).predict([("help", "late")])


def test_a_missing_package_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"needs onnxruntime.* pip install 'nlptl\[onnx\]'"):
        OnnxClassifier.load(folder)


def test_threads_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert onnx_classifier.threads_here() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert onnx_classifier.threads_here() >= 1


def test_a_graph_comes_back_from_the_hub(hub, model):
    done = model.push_to_hub("user/graph", format="onnx")
    assert "model.onnx" in {one.path for one in done.files}
    graph = OnnxClassifier.from_pretrained("user/graph")
    np.testing.assert_allclose(graph.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-4)
    assert "OnnxClassifier.from_pretrained" in hub.files("user/graph")["README.md"].decode()


def through_joblib(graph):
    file = io.BytesIO()
    joblib.dump(graph, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph)), through_joblib],
    ids=["copy", "deepcopy", "pickle", "joblib"],
)
def test_copies_of_a_graph_answer_alike_and_need_no_folder(folder, tmp_path, copied):
    shutil.copytree(folder, tmp_path / "g")
    graph = OnnxClassifier.load(tmp_path / "g", threads=1)
    expected = graph.predict_proba(MANY)
    again = copied(graph)
    shutil.rmtree(tmp_path / "g")
    np.testing.assert_array_equal(again.predict_proba(MANY), expected)
    np.testing.assert_array_equal(copied(again).predict_proba(MANY), expected)
    assert again.predict(MANY).tolist() == graph.predict(MANY).tolist()


def test_a_graph_whose_file_was_replaced_is_not_copied(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "g")
    graph = OnnxClassifier.load(tmp_path / "g")
    (tmp_path / "g" / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(StorageError, match="missing or was changed after the model was loaded"):
        pickle.dumps(graph)


def test_labels_of_another_type_are_refused(folder):
    graph = OnnxClassifier.load(folder)
    for ask in (graph.evaluate, graph.class_scores):
        with pytest.raises(InputError, match="row 0 is '3', of another type than the classes"):
            ask(TEXTS, [str(label) for label in LABELS])
    with pytest.raises(InputError, match="got 24 texts and 1 labels"):
        graph.class_scores(TEXTS, LABELS[:1])


def test_named_columns_of_labels_are_the_classes_of_a_graph(tiny_encoder, tmp_path):
    encoder = TransformerEncoder(tiny_encoder, cache=None, precision="float32")
    table = pd.DataFrame({"late": [1, 0] * 12, "card": [0, 0, 1] * 8})
    model = TextClassifier(encoder, head=LogisticHead(C=1.0), device="cpu").fit(TEXTS, table)
    graph = OnnxClassifier.load(model.export(tmp_path / "graph", format="onnx"))
    assert graph.classes_.tolist() == ["late", "card"]
    turned = graph.evaluate(TEXTS, table[["card", "late"]])
    assert turned == graph.evaluate(TEXTS, table)


def test_one_text_is_a_list_of_one_and_no_texts_have_no_answers(folder):
    graph = OnnxClassifier.load(folder)
    assert graph.predict(TEXTS[0]).tolist() == graph.predict(TEXTS[:1]).tolist()
    np.testing.assert_array_equal(graph.predict_proba(TEXTS[0]), graph.predict_proba(TEXTS[:1]))
    assert graph.predict([]).shape == (0,)
    assert graph.predict([]).dtype == graph.predict(TEXTS).dtype
    assert graph.predict_proba([]).shape == (0, 3)
    assert graph.predict_proba([]).dtype == graph.predict_proba(TEXTS).dtype
    for measure in (graph.evaluate, graph.class_scores, graph.errors):
        with pytest.raises(InputError, match="Wrap it in a list"):
            measure(TEXTS[0], LABELS[:1])
        with pytest.raises(InputError, match="at least one"):
            measure([], [])
