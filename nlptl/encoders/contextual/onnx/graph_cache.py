"""Graphs of encoders in the cache folder: written once, limited in size."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.optional_packages import require
from nlptl.data.samples import support_requests
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.storage.atomic import new_folder, write_file
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import fingerprint
from nlptl.storage.places import cache_root

if TYPE_CHECKING:
    from nlptl.encoders.contextual.loaded import LoadedEncoder
    from nlptl.encoders.contextual.text_reader import TextReader

OUTPUT = "vectors"
_GRAPH = "model.onnx"
_LIMIT_BYTES = 2_000_000_000
_FORMAT = 1
"""Version of the graphs in their names. Increase it when nlptl writes other graphs."""

_N_SENTENCES = 64


def graph_folder(reader: TextReader, precision: str) -> Path:
    """Return the folder of the graph of an encoder. It contains the graph if it was written.

    Raises
    ------
    StorageError
        If there is no cache folder.
    """
    pooling = reader.pooling
    parts = (reader.folder.fingerprint, pooling.tokens, list(pooling.layers), precision, _FORMAT)
    return cache_root() / "graphs" / fingerprint({"graph": parts})


def graph_file(reader: TextReader, precision: str) -> Path:
    """Return the file with the graph of an encoder, which is written if it does not exist.

    Parameters
    ----------
    reader : TextReader
        Reader of the encoder.
    precision : {"float32", "int8"}

    Raises
    ------
    ConfigError
        If onnx or onnxruntime is not installed, or the encoder is too large for one file.
    StorageError
        If the cache folder cannot be written.
    """
    folder = graph_folder(reader, precision)
    path = folder / _GRAPH
    if path.is_file():
        with suppress(OSError):
            os.utime(path)  # the graphs that were not used for longest are deleted first
        return path
    for name in ("onnx", "onnxruntime"):
        require(name, extra="onnx")
    with new_folder(folder) as draft:
        _write(reader, precision, draft / _GRAPH)
    _delete_oldest(folder.parent, keep=folder)
    return path


def has_types(reader: TextReader) -> bool:
    """Return True if the encoder reads which text of a pair a token belongs to."""
    return int(getattr(reader.folder.config, "type_vocab_size", 0) or 0) > 1


def full_precision(reader: TextReader) -> LoadedEncoder:
    """Return the weights of an encoder in float32 on the CPU."""
    return load_encoder(reader.folder, dtype="float32", device="cpu")


def read_choices(path: Path) -> dict[str, Any]:
    """Return the recorded choices of a backend per machine. A damaged file has none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def record_choice(path: Path, machine: str, choice: dict[str, Any]) -> None:
    """Add the choice for a machine to a file.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    sweep_drafts(path.parent, path.name)
    write_file(path, json.dumps({**read_choices(path), machine: choice}).encode())


def cosines(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the cosine of each pair of vectors along the last axis."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    similarities: FloatArray = (first * second).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return similarities


def _write(reader: TextReader, precision: str, path: Path) -> None:
    from nlptl.encoders.contextual.onnx.quantization import calibration_batches, write_rounded
    from nlptl.encoders.contextual.onnx.tracing import EncoderGraph, write_graph

    pooling = reader.pooling
    graph = EncoderGraph(full_precision(reader), pooling.tokens, pooling.layers)
    options: dict[str, Any] = {"kinds": has_types(reader), "outputs": [OUTPUT]}
    if precision == "float32":
        write_graph(graph, graph.encoder, path, **options)
        return
    texts = support_requests()[0]
    batches = calibration_batches(reader, texts[:: len(texts) // _N_SENTENCES])
    write_rounded(graph, graph.encoder, path, batches, **options)


def _delete_oldest(root: Path, *, keep: Path) -> None:
    """Delete the graphs that were not used for longest, until the rest is within the limit."""
    graphs = sorted(root.glob(f"*/{_GRAPH}"), key=lambda path: _facts(path)[0], reverse=True)
    total = 0
    for path in graphs:
        total += _facts(path)[1]
        if total > _LIMIT_BYTES and path.parent != keep:
            path.unlink(missing_ok=True)


def _facts(path: Path) -> tuple[float, int]:
    """Return the time of the last use and the size of a file. A file that is gone has neither."""
    try:
        facts = path.stat()
    except OSError:
        return 0.0, 0
    return facts.st_mtime, facts.st_size
