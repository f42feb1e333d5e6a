from types import SimpleNamespace

import numpy as np
import pytest

from nlptl.base.errors import IntegrityError
from nlptl.encoders.contextual.onnx import session
from nlptl.encoders.contextual.onnx.session import open_session, run_graph
from nlptl.encoders.contextual.windows import Windows


class Recorder:
    """A session that returns the sum of the ids, and records its inputs."""

    def __init__(self):
        self.inputs = []

    def run(self, outputs, inputs):
        self.inputs.append(inputs)
        return [(inputs["input_ids"] * inputs["attention_mask"]).sum(axis=1)[:, None]]


def windows_of(ids, kinds=None):
    return Windows(ids, np.arange(len(ids)), np.array([len(i) for i in ids], dtype=int), kinds)


def test_windows_run_in_batches_of_similar_length_and_keep_their_order():
    recorder, windows = Recorder(), windows_of([[1], [1, 2, 3], [5, 5], [7]])
    sums = run_graph(recorder, windows, "vectors", padding=9, tokens_per_batch=4)
    assert sums.tolist() == [[1], [6], [10], [7]] and sums.dtype == np.float32
    assert [i["input_ids"].tolist() for i in recorder.inputs] == [
        [[1, 2, 3]],
        [[5, 5], [1, 9]],
        [[7]],
    ]
    assert all("token_type_ids" not in inputs for inputs in recorder.inputs)


def test_token_types_are_padded_with_zeros():
    recorder = Recorder()
    run_graph(
        recorder, windows_of([[1, 2], [3]], [[0, 1], [1]]), "x", padding=0, tokens_per_batch=9
    )
    assert recorder.inputs[0]["token_type_ids"].tolist() == [[0, 1], [1, 0]]


def test_no_windows_have_no_output():
    assert run_graph(Recorder(), windows_of([]), "x", padding=0, tokens_per_batch=9) is None


def test_waiting_threads_sleep(monkeypatch, tmp_path):
    settings = {}

    class Options:
        def add_session_config_entry(self, name, value):
            settings[name] = value

    def start(graph, options, providers):
        return options.intra_op_num_threads, providers

    runtime = SimpleNamespace(SessionOptions=Options, InferenceSession=start)
    monkeypatch.setattr(session, "require", lambda name, extra: runtime)
    assert open_session(b"", 3, tmp_path) == (3, ["CPUExecutionProvider"])
    assert settings == {
        "session.intra_op.allow_spinning": "0",
        "session.load_model_format": "ONNX",  # whose weights are checked
    }


def test_bytes_that_are_no_graph_are_refused(tmp_path):
    with pytest.raises(IntegrityError, match="cannot be read as a graph"):
        open_session(b"no graph", 1, tmp_path / "model.onnx")
