import numpy as np
import onnxruntime
import pytest
import torch

from nlptl import TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.onnx import tracing
from nlptl.encoders.contextual.onnx.tracing import EncoderGraph, write_graph


@pytest.fixture
def graph(tiny_encoder):
    loaded = TransformerEncoder(tiny_encoder, cache=None, precision="float32").reader.loaded
    return EncoderGraph(loaded, "mean", (1, -1)).eval()


def test_a_graph_reads_any_number_of_texts_and_tokens_with_their_types(graph, tmp_path):
    path = tmp_path / "model.onnx"
    write_graph(graph, graph.encoder, path, kinds=True, outputs=["vectors"])
    session = onnxruntime.InferenceSession(str(path))
    for texts, tokens in ((1, 3), (5, 17)):
        ids = torch.randint(5, 30, (texts, tokens))
        mask, types = torch.ones_like(ids), torch.zeros_like(ids)
        types[:, tokens // 2 :] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        vectors = session.run(["vectors"], {name: part.numpy() for name, part in inputs.items()})[0]
        with torch.inference_mode():
            np.testing.assert_allclose(vectors, graph(ids, mask, types).numpy(), atol=1e-5)
        assert vectors.shape == (texts, 2, 32)


def test_weights_too_large_for_a_file_are_refused(graph, tmp_path, monkeypatch):
    monkeypatch.setattr(tracing, "_MAX_GRAPH_BYTES", 1000)
    with pytest.raises(ConfigError, match="at most 2 GB in one file"):
        write_graph(graph, graph.encoder, tmp_path / "model.onnx", kinds=False, outputs=["x"])
