"""Read the file of an exported graph, copy it and start onnxruntime on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import Self

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.base.optional_packages import require
from nlptl.storage.hashing import sha256_once

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class GraphFile:
    """The file of a graph, or its bytes, which copies of a model use.

    Attributes
    ----------
    path : Path
        Path of the file at the time when the model was loaded.
    sha256 : str
        Hash of the file at that time.
    content : bytes or None
        The bytes of the file. Only copies store them, because the session already needs much
        memory.
    """

    path: Path
    sha256: str
    content: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the file of a graph with its hash."""
        return cls(path.absolute(), sha256_once(path))

    def with_content(self) -> Self:
        """Return the graph with the bytes of its file.

        Raises
        ------
        StorageError
            If the file is missing or was changed after loading.
        """
        if self.content is not None:
            return self
        content = self.path.read_bytes() if self.path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise StorageError(
                f"A copy of the model is built from {str(self.path)!r}, which is missing or was "
                "changed after the model was loaded. Load the model again, then copy it."
            )
        return replace(self, content=content)


def open_session(graph: str | bytes, threads: int, path: Path) -> InferenceSession:
    """Start onnxruntime on a graph.

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
        If the graph cannot be read.
    """
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # the errors of onnxruntime share no parent class
        reason = str(problem).strip().split("\n", 1)[0][:200]
        raise IntegrityError(
            f"{str(path)!r} cannot be read as a graph: {reason}. Export the model again."
        ) from problem
