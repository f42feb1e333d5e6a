"""The file of an exported graph, or a copy of its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import Self

from nlptl.base.errors import StorageError
from nlptl.storage.hashing import sha256_once


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
