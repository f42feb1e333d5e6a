import json
import shutil

import numpy as np
import pytest

from nlptl import TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.onnx import backend, encoder_session
from nlptl.encoders.contextual.onnx.backend import beginning_long_run
from nlptl.encoders.contextual.onnx.graph_cache import graph_folder

TEXTS = ["the parcel came late", "help", "i want my money back " * 30, "the app crashes", ""]
PAIRS = [("the parcel came late", "help"), ("my phone", "the app crashes when i open it")]


@pytest.fixture(autouse=True)
def own_graphs(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    backend._READ.clear()
    backend._has_packages.cache_clear()
    yield
    backend._has_packages.cache_clear()


@pytest.fixture
def torch_encoder(tiny_encoder):
    return TransformerEncoder(tiny_encoder, cache=None, backend="torch")


@pytest.fixture
def eager(monkeypatch):
    """Every call has enough work for a graph, and the graph seems faster."""
    monkeypatch.setattr(backend, "_WORTH", 0)
    monkeypatch.setattr(backend, "_FASTER", 1e9)


@pytest.fixture
def runs(monkeypatch):
    """The number of windows that each call of a graph encoded."""
    sizes, run = [], encoder_session.run_graph
    monkeypatch.setattr(
        encoder_session,
        "run_graph",
        lambda s, w, *a, **k: sizes.append(len(w.ids)) or run(s, w, *a, **k),
    )
    return sizes


def with_backend(encoder, name, **changes):
    return TransformerEncoder(encoder.name_or_path, cache=None, backend=name, **changes)


@pytest.mark.parametrize("texts", [TEXTS, PAIRS])
@pytest.mark.parametrize(
    "pooling", [Pooling(), Pooling("cls", (0, -1, 2)), Pooling("max", (1, 2), "mean", None, False)]
)
def test_a_graph_returns_the_vectors_of_torch(torch_encoder, pooling, texts, runs):
    expected = with_backend(torch_encoder, "torch", pooling=pooling).transform(texts)
    vectors = with_backend(torch_encoder, "onnx", pooling=pooling).transform(texts)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert vectors.dtype == np.float32 and runs[-1] >= len(texts)


def test_every_family_is_encoded_by_a_graph(any_encoder, runs):
    plain = TransformerEncoder(any_encoder, cache=None, backend="torch")
    vectors = with_backend(plain, "onnx").transform(TEXTS)
    np.testing.assert_allclose(vectors, plain.transform(TEXTS), atol=1e-4)
    assert runs


def test_eight_bits_change_the_vectors_a_little(torch_encoder):
    expected = torch_encoder.transform(TEXTS)
    vectors = TransformerEncoder(
        torch_encoder.name_or_path, cache=None, precision="int8"
    ).transform(TEXTS)
    cosine = (vectors * expected).sum(axis=1)
    assert cosine.min() > 0.95 and not np.allclose(vectors, expected, atol=1e-5)


def test_short_work_is_left_to_torch_and_nothing_is_written(torch_encoder, tmp_path, runs):
    encoder = with_backend(torch_encoder, "auto")
    np.testing.assert_array_equal(encoder.transform(TEXTS), torch_encoder.transform(TEXTS))
    assert not runs and not (tmp_path / "cache" / "graphs").exists()


def test_long_work_is_timed_once_and_the_faster_backend_is_recorded(
    torch_encoder, eager, runs, monkeypatch
):
    encoder, timings = with_backend(torch_encoder, "auto"), []
    time_both = backend._time_both
    monkeypatch.setattr(
        backend, "_time_both", lambda *given: timings.append(1) or time_both(*given)
    )
    for _ in range(3):
        vectors = encoder.transform(TEXTS)
    np.testing.assert_allclose(vectors, torch_encoder.transform(TEXTS), atol=1e-5)
    assert timings == [1] and runs[-1] >= len(TEXTS)
    choices = json.loads(choices_file(encoder).read_text())
    assert [choice["backend"] for choice in choices.values()] == ["onnx"]


def test_a_recorded_choice_holds_for_short_work_too(torch_encoder, eager, runs, monkeypatch):
    encoder = with_backend(torch_encoder, "auto")
    encoder.transform(TEXTS)
    monkeypatch.setattr(backend, "_WORTH", 1e30)
    runs.clear()
    encoder.transform(["help"])
    assert runs == [1]


def test_short_calls_add_up_until_a_graph_is_worth_it(torch_encoder, eager, runs, monkeypatch):
    encoder = with_backend(torch_encoder, "auto")
    work = backend._operations(encoder.reader, encoder.reader.windows(TEXTS))
    monkeypatch.setattr(backend, "_WORTH", 2.5 * work)
    used = []
    for _ in range(4):
        encoder.transform(TEXTS)
        used.append(bool(runs))
    assert used == [False, False, True, True]


def test_the_first_part_of_a_call_counts_for_the_whole(torch_encoder, eager, monkeypatch):
    encoder = with_backend(torch_encoder, "auto")
    windows = encoder.reader.windows(TEXTS)
    monkeypatch.setattr(backend, "_WORTH", 5 * backend._operations(encoder.reader, windows))
    parts = {"precision": "float32", "backend": "auto", "windows": windows}
    assert backend.session_for(encoder.reader, **parts, share=1.0) is None
    assert backend.session_for(encoder.reader, **parts, share=0.1) is not None


def test_a_long_run_chooses_with_its_first_text(torch_encoder, eager, runs, monkeypatch):
    monkeypatch.setattr(backend, "_WORTH", 1e30)
    encoder = with_backend(torch_encoder, "auto")
    with beginning_long_run():
        encoder.transform(["help"])
    assert runs and "onnx" in choices_file(encoder).read_text()


def test_a_slower_graph_is_not_used(torch_encoder, eager, runs, monkeypatch):
    monkeypatch.setattr(backend, "_FASTER", 0.0)
    encoder = with_backend(torch_encoder, "auto")
    encoder.transform(TEXTS)
    runs.clear()
    encoder.transform(TEXTS)
    assert not runs
    assert "torch" in choices_file(encoder).read_text()


def test_a_choice_belongs_to_one_machine(torch_encoder, eager, monkeypatch):
    encoder = with_backend(torch_encoder, "auto")
    encoder.transform(TEXTS)
    monkeypatch.setattr(backend, "processor_name", lambda: "another processor")
    backend._READ.clear()
    encoder.transform(TEXTS)
    assert len(json.loads(choices_file(encoder).read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", "null", '{"x": 1}', "[" * 5000])
def test_a_damaged_record_is_replaced(torch_encoder, eager, content):
    encoder = with_backend(torch_encoder, "auto")
    path = choices_file(encoder)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    np.testing.assert_allclose(encoder.transform(TEXTS), torch_encoder.transform(TEXTS), atol=1e-5)
    assert "onnx" in path.read_text()


def test_without_the_packages_torch_encodes_and_a_graph_is_refused(
    torch_encoder, eager, runs, monkeypatch
):
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    with_backend(torch_encoder, "auto").transform(TEXTS)
    assert not runs
    backend._has_packages.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'nlptl\[onnx\]'"):
        with_backend(torch_encoder, "onnx").transform(TEXTS)


def test_a_graph_with_other_vectors_is_not_used_and_deleted(
    torch_encoder, eager, runs, monkeypatch
):
    monkeypatch.setattr(encoder_session, "cosines", lambda first, second: np.full(8, 0.9))
    encoder = with_backend(torch_encoder, "auto")
    np.testing.assert_array_equal(encoder.transform(TEXTS), torch_encoder.transform(TEXTS))
    assert "mean cosine" in choices_file(encoder).read_text()
    assert not list(graph_folder(encoder.reader, "float32").glob("*.onnx"))
    with pytest.raises(ConfigError, match="mean cosine on 8 sentences is 0.9000"):
        with_backend(torch_encoder, "onnx").transform(TEXTS)


def test_an_encoder_that_cannot_be_written_is_left_to_torch(
    torch_encoder, eager, runs, monkeypatch
):
    def fail(*given):
        raise RuntimeError("no such operator")

    monkeypatch.setattr("nlptl.encoders.contextual.onnx.graph_cache._write", fail)
    encoder = with_backend(torch_encoder, "auto")
    np.testing.assert_array_equal(encoder.transform(TEXTS), torch_encoder.transform(TEXTS))
    with pytest.raises(ConfigError, match="cannot be written as a graph.*no such operator"):
        with_backend(torch_encoder, "onnx").transform(TEXTS)


def test_without_a_cache_folder_torch_encodes(torch_encoder, eager, runs, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "file"))
    encoder = with_backend(torch_encoder, "auto")
    np.testing.assert_array_equal(encoder.transform(TEXTS), torch_encoder.transform(TEXTS))
    assert not runs


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "tensorflow"}, "backend='tensorflow' is not known"),
        ({"backend": "torch", "precision": "int8"}, "precision='int8' does not work"),
        ({"backend": "onnx", "precision": "bfloat16"}, "precision='bfloat16' does not work"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(tiny_encoder, options, said):
    with pytest.raises(ConfigError, match=said):
        TransformerEncoder(tiny_encoder, **options)


def test_pooling_of_transformers_has_no_graph(torch_encoder, eager, runs):
    pooling = Pooling(tokens="stock", normalize=False)
    with_backend(torch_encoder, "auto", pooling=pooling).transform(TEXTS)
    assert not runs
    with pytest.raises(ConfigError, match="Choose another pooling, or backend='torch'"):
        with_backend(torch_encoder, "onnx", pooling=pooling).transform(TEXTS)


def test_long_windows_are_left_to_torch(torch_encoder, eager, runs, monkeypatch):
    monkeypatch.setattr(backend, "_MAX_WINDOW", 16)  # the encoder reads 32 tokens
    with_backend(torch_encoder, "auto").transform(TEXTS)
    assert not runs


def test_an_encoder_in_eight_bits_is_trained_in_full_precision(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, cache=None, precision="int8")
    assert encoder.reader.loaded.dtype == "float32"


def test_weights_in_memory_are_computed_by_torch(torch_encoder, runs):
    loaded = torch_encoder.reader.loaded
    encoder = with_backend(torch_encoder, "onnx").with_weights(loaded)
    np.testing.assert_array_equal(encoder.transform(TEXTS), torch_encoder.transform(TEXTS))
    assert not runs


def test_the_backend_is_saved_and_older_folders_have_none(torch_encoder, tmp_path):
    encoder = with_backend(torch_encoder, "onnx")
    described = encoder.save(tmp_path)
    assert TransformerEncoder.load(tmp_path, described).backend == "onnx"
    del described["backend"]
    assert TransformerEncoder.load(tmp_path, described).backend == "auto"


def test_a_process_opens_a_graph_once_and_a_child_opens_its_own(torch_encoder, monkeypatch):
    opened, open_session = [], encoder_session.open_session
    monkeypatch.setattr(
        encoder_session, "open_session", lambda *given: opened.append(1) or open_session(*given)
    )
    encoder = with_backend(torch_encoder, "onnx")
    encoder.transform(TEXTS)
    assert opened == [1, 1]  # the check of the new graph, and the work
    shutil.rmtree(graph_folder(encoder.reader, "float32"))  # a running program needs no file
    encoder.transform(TEXTS)
    assert opened == [1, 1]
    monkeypatch.setattr(backend.os, "getpid", lambda: -1)
    encoder.transform(TEXTS)
    assert opened == [1, 1, 1, 1]


def test_the_graph_that_was_not_used_for_longest_is_closed(torch_encoder, monkeypatch):
    monkeypatch.setattr(backend, "_MAX_OPEN", 2)
    backend._OPEN.clear()
    first, second, third = (
        with_backend(torch_encoder, "onnx", pooling=Pooling("mean", (layer,)))
        for layer in (1, 2, 3)
    )
    for encoder in (first, second, first, third):
        encoder.transform(TEXTS)
    folders = [graph_folder(encoder.reader, "float32") for encoder in (first, third)]
    assert [key[0] for key in backend._OPEN] == folders


def choices_file(encoder):
    return graph_folder(encoder.reader, "float32").with_suffix(".json")
