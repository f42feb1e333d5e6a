"""Vectors of tokens, memory-mapped from a folder that any number of processes share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.words import rows_by_spelling
from nlptl.encoders.static.formats import Subwords, WordVectors
from nlptl.storage.tensors import map_arrays, save_arrays

_ARRAYS = "vectors.safetensors"
_DESCRIPTION = "store.json"
_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, eq=False)
class VectorStore:
    """Token vectors with the way to cut a text into those tokens.

    Attributes
    ----------
    tokens : list of str
        The vocabulary; the position is the row.
    vectors : ndarray of shape (n_tokens, dim), float32
        May be a memory map.
    groups : tuple of (str, int)
        Column ranges that are pooled and normalised each for itself.
    subwords : Subwords or None
        Makes vectors for words outside the vocabulary.
    tokenizer : str or None
        The JSON of a ``tokenizers.Tokenizer`` whose token ids are the rows; None where the
        tokens are words.
    name : str
        What to call the vectors in a report.
    """

    tokens: Sequence[str]
    vectors: FloatArray
    groups: Groups
    subwords: Subwords | None = None
    tokenizer: str | None = None
    name: str = "word vectors"

    @classmethod
    def of_words(cls, found: WordVectors, *, name: str) -> VectorStore:
        """Make a store of plain word vectors."""
        groups = (("words", int(found.vectors.shape[1])),)
        return cls(found.words, found.vectors, groups, found.subwords, name=name)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each token."""
        return {token: row for row, token in enumerate(self.tokens)}

    @cached_property
    def row_of_spelling(self) -> dict[str, int]:
        """The row of each token, under its composed spelling too."""
        return rows_by_spelling(self.tokens)

    @property
    def dim(self) -> int:
        """Numbers a token."""
        return int(self.vectors.shape[1])

    def keyed_vectors(self) -> Any:
        """Give the store as gensim ``KeyedVectors`` over the same memory."""
        from gensim.models import KeyedVectors

        shared = KeyedVectors(self.dim)
        shared.index_to_key = list(self.tokens)
        shared.key_to_index = dict(self.row_of)
        shared.vectors = self.vectors
        return shared

    def save(self, folder: Path) -> None:
        """Write the store into an existing folder."""
        arrays: dict[str, Any] = {
            "tokens": np.frombuffer("\n".join(self.tokens).encode(), dtype=np.uint8),
            "vectors": self.vectors,
        }
        described: dict[str, Any] = {"groups": self.groups, "name": self.name}
        if self.subwords is not None:
            arrays["subwords"] = self.subwords.vectors
            described["lengths"] = [self.subwords.shortest, self.subwords.longest]
        save_arrays(folder / _ARRAYS, arrays)
        (folder / _DESCRIPTION).write_text(json.dumps(described), encoding="utf-8")
        if self.tokenizer is not None:
            (folder / _TOKENIZER).write_text(self.tokenizer, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> VectorStore:
        """Map what ``save`` wrote; only the vocabulary is read into memory."""
        arrays = map_arrays(folder / _ARRAYS)
        described = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        tokenizer = folder / _TOKENIZER
        subwords = None
        if "subwords" in arrays:
            subwords = Subwords(arrays["subwords"], *described["lengths"])
        return cls(
            tokens=arrays["tokens"].tobytes().decode().split("\n"),
            vectors=arrays["vectors"],
            groups=tuple((name, int(width)) for name, width in described["groups"]),
            subwords=subwords,
            tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.is_file() else None,
            name=described["name"],
        )
