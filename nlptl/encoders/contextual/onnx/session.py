"""Start onnxruntime on a graph and run the graph on windows of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import IntegrityError
from nlptl.base.optional_packages import require
from nlptl.data.batches import by_length
from nlptl.encoders.contextual.onnx.outside_weights import reads_other_files
from nlptl.encoders.contextual.windows import Windows

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

TOKENS_PER_THREAD = 512
"""Padded tokens per batch and thread."""


def open_session(graph: str | bytes, threads: int, path: Path) -> InferenceSession:
    """Start onnxruntime on a graph.

    Waiting threads sleep. If they kept checking for work, another busy process on the same
    processors would slow the graph down.

    Parameters
    ----------
    graph : str or bytes
        Path of the graph, or its bytes.
    threads : int
        Number of threads.
    path : Path
        Path of the graph for the error message.

    Raises
    ------
    ConfigError
        If onnxruntime is not installed.
    IntegrityError
        If the graph cannot be read, or reads weights from other files.
    """
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        if reads_other_files(graph):
            raise ValueError("it reads weights from other files")
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # the errors of onnxruntime share no parent class
        reason = str(problem).strip().split("\n", 1)[0][:200]
        raise IntegrityError(
            f"{str(path)!r} cannot be read as a graph: {reason}. Export the model again."
        ) from problem


def run_graph(
    session: Any, windows: Windows, output: str, *, padding: int, tokens_per_batch: int
) -> FloatArray | None:
    """Run a graph in batches of similar length.

    Parameters
    ----------
    session : InferenceSession
    windows : Windows
        Token ids. Token types are passed on if there are any.
    output : str
        Name of the output to return.
    padding : int
        Id of the token that fills shorter rows.
    tokens_per_batch : int
        Maximum number of padded tokens per batch.

    Returns
    -------
    ndarray of shape (n_windows, ...) or None
        In the order of the windows; None if there are no windows.
    """
    outputs: FloatArray | None = None
    for rows in by_length(windows.sizes, tokens_per_batch=tokens_per_batch):
        part = session.run([output], _inputs(windows, rows, padding))[0]
        if outputs is None:
            outputs = np.empty((len(windows.ids), *part.shape[1:]), dtype=np.float32)
        outputs[rows] = part
    return outputs


def _inputs(windows: Windows, rows: IntArray, padding: int) -> dict[str, IntArray]:
    """Return the padded inputs of a batch."""
    shape = (len(rows), int(windows.sizes[rows].max()))
    inputs = {"input_ids": np.full(shape, padding)}
    inputs["attention_mask"] = np.zeros(shape, dtype=np.int64)
    if windows.kinds is not None:
        inputs["token_type_ids"] = np.zeros(shape, dtype=np.int64)
    for position, row in enumerate(rows):
        size = int(windows.sizes[row])
        inputs["input_ids"][position, :size] = windows.ids[row]
        inputs["attention_mask"][position, :size] = 1
        if windows.kinds is not None:
            inputs["token_type_ids"][position, :size] = windows.kinds[row]
    return inputs
