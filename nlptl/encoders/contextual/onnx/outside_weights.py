"""Refuse graphs that read weights from other files.

onnxruntime before version 1.24 reads the weights of a graph from any file that the graph names. A
graph of somebody else could pass such a file on in its answers. The graphs of nlptl contain their
weights, so a graph that names another file is not one of them. The package onnx could read a graph
as well, but predictions do not need it, and it copies all weights into memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Fields of onnx.proto that can contain a tensor, by the kind of the message."""

_EXTERNAL_DATA = 13
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5

_Bytes = bytes | mmap.mmap


def reads_other_files(graph: str | bytes) -> bool:
    """Return True if a tensor of a graph is stored outside of the graph.

    Parameters
    ----------
    graph : str or bytes
        Path of the graph, or its bytes.

    Raises
    ------
    ValueError
        If the bytes are not a graph.
    OSError
        If the file cannot be read.
    """
    if isinstance(graph, bytes):
        return _any_outside(graph)
    with (
        Path(graph).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return _any_outside(content)


def _any_outside(content: _Bytes) -> bool:
    messages = [("model", 0, len(content))]
    while messages:
        kind, start, end = messages.pop()
        for field, begin, stop in _fields(content, start, end):
            if kind == "tensor" and field == _EXTERNAL_DATA:
                return True
            if field in _FIELDS[kind]:
                messages.append((_FIELDS[kind][field], begin, stop))
    return False


def _fields(content: _Bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field of a message, and where its content begins and ends."""
    while position < end:
        key, position = _varint(content, position, end)
        if key >= 1 << 32:  # other readers drop the bits above
            raise ValueError("the number of a field is too large")
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, stop = _varint(content, position, end)
        elif kind == _BYTES:
            length, position = _varint(content, position, end)
            stop = position + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            stop = position + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise ValueError(f"field {field} has the unknown type {kind}")
        if stop > end:
            raise ValueError(f"field {field} ends after its message")
        yield field, position, stop
        position = stop


def _varint(content: _Bytes, position: int, end: int) -> tuple[int, int]:
    """Return a number of variable length, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number has no end")
