import os

import pytest

from nlptl import TransformerEncoder
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.onnx import encoder_session, graph_cache
from nlptl.encoders.contextual.onnx.graph_cache import graph_file, graph_folder


@pytest.fixture(autouse=True)
def own_graphs(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def reader(tiny_encoder):
    return TransformerEncoder(tiny_encoder, cache=None, precision="float32").reader


def test_a_graph_is_written_once(reader, monkeypatch):
    path = graph_file(reader, "float32")
    os.utime(path, (1, 1))
    monkeypatch.setattr(graph_cache, "_write", None)
    assert graph_file(reader, "float32") == path
    assert path.stat().st_mtime > 1  # it was used


def test_graphs_of_other_weights_poolings_and_precisions_have_other_folders(reader, tiny_encoder):
    other = TransformerEncoder(tiny_encoder, Pooling("cls", (1,)), cache=None).reader
    folders = {graph_folder(r, p) for r in (reader, other) for p in ("float32", "int8")}
    assert len(folders) == 4


def test_the_graphs_that_were_not_used_for_longest_are_deleted(reader, tiny_encoder, monkeypatch):
    paths = []
    for layer in (1, 2, 3):
        encoder = TransformerEncoder(tiny_encoder, Pooling("mean", (layer,)), cache=None)
        paths.append(graph_file(encoder.reader, "float32"))
        os.utime(paths[-1], (layer, layer))
    monkeypatch.setattr(graph_cache, "_LIMIT_BYTES", 2.2 * paths[2].stat().st_size)
    last = graph_file(reader, "float32")
    assert [path.is_file() for path in (*paths, last)] == [False, False, True, True]


def test_a_graph_above_the_limit_is_kept_until_the_next(reader, monkeypatch):
    monkeypatch.setattr(graph_cache, "_LIMIT_BYTES", 1)
    assert graph_file(reader, "float32").is_file()


def test_a_graph_is_in_its_place_only_after_its_check(reader, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(encoder_session.EncoderSession, "check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        graph_file(reader, "float32")
    assert not list(graph_folder(reader, "float32").parent.glob("*/*.onnx"))
