import numpy as np
import onnxruntime

from nlptl import TransformerEncoder
from nlptl.encoders.contextual.onnx.quantization import calibration_batches, write_rounded
from nlptl.encoders.contextual.onnx.tracing import EncoderGraph

TEXTS = ["the parcel came late", "help", "the app crashes when i open it"]


def test_a_graph_in_eight_bits_is_smaller_and_its_vectors_are_close(tiny_encoder, tmp_path):
    reader = TransformerEncoder(tiny_encoder, cache=None, precision="float32").reader
    batches = calibration_batches(reader, TEXTS)
    assert sum(len(batch["input_ids"]) for batch in batches) == 3
    graph = EncoderGraph(reader.loaded, "mean", (-1,)).eval()
    expected = graph(**batches[0]).detach().numpy()
    path = tmp_path / "model.onnx"
    options = {"kinds": False, "outputs": ["vectors"]}
    write_rounded(graph, graph.encoder, path, batches, **options)
    session = onnxruntime.InferenceSession(str(path))
    inputs = {name: part.numpy() for name, part in batches[0].items()}
    vectors = session.run(["vectors"], inputs)[0]
    distance = np.linalg.norm(vectors - expected) / np.linalg.norm(expected)
    assert 1e-5 < distance < 0.1
    assert "MatMulInteger" in path.read_bytes().decode("latin-1")
