"""Graphs of encoders in the cache folder: written once, limited in size."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import ConfigError, NlptlError
from nlptl.base.optional_packages import require
from nlptl.data.samples import support_requests
from nlptl.encoders.contextual.onnx.encoder_session import (
    OUTPUT,
    EncoderSession,
    full_precision,
    has_types,
)
from nlptl.storage.atomic import new_folder
from nlptl.storage.hashing import fingerprint
from nlptl.storage.places import cache_root

if TYPE_CHECKING:
    from nlptl.encoders.contextual.text_reader import TextReader

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

    A new graph is compared with torch before it is moved to its place.

    Parameters
    ----------
    reader : TextReader
        Reader of the encoder.
    precision : {"float32", "int8"}

    Raises
    ------
    ConfigError
        If onnx or onnxruntime is not installed, the encoder cannot be written as a graph, or the
        vectors of the graph do not agree with those of torch.
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
        try:
            _write(reader, precision, draft / _GRAPH)
            session = EncoderSession.open(reader, draft / _GRAPH, threads=1)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as problem:
            if isinstance(problem, NlptlError):
                raise
            raise ConfigError(
                f"The encoder {reader.folder.name!r} cannot be written as a graph "
                f"({type(problem).__name__}: {str(problem)[:120]}). Use backend='torch'."
            ) from problem
        session.check(reader, precision)
    _delete_oldest(folder.parent, keep=folder)
    return path


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
