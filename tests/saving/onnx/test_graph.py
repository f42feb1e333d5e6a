import numpy as np
import onnxruntime
import torch

from nlptl import TransformerEncoder
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.onnx.tracing import write_graph
from nlptl.saving.onnx.graph import OUTPUTS, ClassifierGraph


def test_others_find_logits_for_any_number_of_texts_and_tokens(tiny_encoder, tmp_path):
    encoder = TransformerEncoder(tiny_encoder, cache=None)
    loaded = load_encoder(encoder.folder, dtype="float32", device="cpu")
    head = np.eye(3, 32), np.arange(3.0)
    graph = ClassifierGraph(loaded, Pooling(), head).eval()
    write_graph(graph, graph.encoder, tmp_path / "model.onnx", kinds=False, outputs=OUTPUTS)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [one.name for one in session.get_inputs()] == ["input_ids", "attention_mask"]
    for texts, tokens in ((1, 3), (5, 17), (2, 32)):
        ids = torch.randint(5, 30, (texts, tokens))
        mask = torch.ones_like(ids)
        mask[-1, tokens // 2 :] = 0
        given = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        logits, vectors = session.run(["logits", "vectors"], given)
        with torch.inference_mode():
            expected = graph(ids, mask)
        np.testing.assert_allclose(logits, expected[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(vectors, expected[1].numpy(), atol=1e-5)
        assert vectors.shape == (texts, 1, 32)


def test_the_weights_of_the_model_stay_as_they_are(tiny_encoder, tmp_path):
    encoder = TransformerEncoder(tiny_encoder, cache=None)
    loaded = load_encoder(encoder.folder, dtype="bfloat16", device="cpu")
    before = loaded.fingerprint
    way = loaded.model.config._attn_implementation
    graph = ClassifierGraph(loaded, Pooling(), (np.eye(2, 32), np.zeros(2)))
    write_graph(graph, graph.encoder, tmp_path / "model.onnx", kinds=False, outputs=OUTPUTS)
    assert loaded.fingerprint == before and next(loaded.model.parameters()).dtype == torch.bfloat16
    assert loaded.model.config._attn_implementation == way
