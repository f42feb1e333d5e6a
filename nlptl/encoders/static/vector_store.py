"""Store of token vectors, memory-mapped from a folder that several processes can share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, Groups
from nlptl.base.described import entry
from nlptl.base.words import rows_by_spelling
from nlptl.encoders.static.vector_formats import Subwords, WordVectors
from nlptl.storage.tensors import check_shape, map_arrays, save_arrays
from nlptl.storage.untrusted import read_json

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

_ARRAYS = "vectors.safetensors"
_DESCRIPTION = "store.json"
_TOKENIZER = "tokenizer.json"
_MAX_SUBWORD = 100
"""Maximum length of a character n-gram."""


@dataclass(frozen=True, eq=False)
class VectorStore:
    """Token vectors, together with the tokenizer that splits texts into these tokens.

    Attributes
    ----------
    tokens : list of str
        The vocabulary. The position of a token is its row.
    vectors : ndarray of shape (n_tokens, dim), float32
        May be a memory map.
    groups : tuple of (str, int)
        Column groups: name and width. Each group is pooled and normalised separately.
    subwords : Subwords or None
        Vectors of character n-grams, from which words outside the vocabulary get a vector.
    tokenizer : str or None
        The JSON of a ``tokenizers.Tokenizer`` whose token ids are the rows. None if the tokens
        are words.
    name : str
        Name of the vectors in reports.
    """

    tokens: Sequence[str]
    vectors: FloatArray
    groups: Groups
    subwords: Subwords | None = None
    tokenizer: str | None = None
    name: str = "word vectors"

    def __repr__(self) -> str:
        shape = f"{len(self.tokens)} vectors of {self.dim} dimensions"
        return f"{type(self).__name__}({self.name!r}, {shape})"

    @classmethod
    def of_words(cls, content: WordVectors, *, name: str) -> VectorStore:
        """Build a store from word vectors."""
        groups = (("words", int(content.vectors.shape[1])),)
        # A line feed separates tokens in a saved store; no word of a text contains one.
        words = [word.replace("\n", " ") for word in content.words]
        return cls(words, content.vectors, groups, content.subwords, name=name)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each token."""
        return {token: row for row, token in enumerate(self.tokens)}

    @cached_property
    def row_of_spelling(self) -> dict[str, int]:
        """Row of each token, also under its composed spelling."""
        return rows_by_spelling(self.tokens)

    @property
    def dim(self) -> int:
        """Length of each token vector."""
        return int(self.vectors.shape[1])

    def keyed_vectors(self) -> KeyedVectors:
        """Return the vectors as gensim ``KeyedVectors`` that share their memory."""
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
        """Memory-map what ``save`` wrote. Only the vocabulary is read into memory."""
        arrays = map_arrays(folder / _ARRAYS)
        described = read_json(folder / _DESCRIPTION)
        vectors, tokens = arrays["vectors"], arrays["tokens"]
        n_tokens = np.count_nonzero(tokens == ord("\n")) + 1
        check_shape("vectors", vectors, (n_tokens, vectors.shape[-1]))
        groups = entry(described, "groups", tuple[tuple[str, int], ...])
        if sum(width for _, width in groups) != vectors.shape[1] or any(w < 1 for _, w in groups):
            raise ValueError(f"groups {groups} of vectors with {vectors.shape[1]} numbers")
        tokenizer = folder / _TOKENIZER
        return cls(
            tokens=tokens.tobytes().decode().split("\n"),
            vectors=vectors,
            groups=groups,
            subwords=_subwords(arrays, described) if "subwords" in arrays else None,
            tokenizer=_tokenizer(tokenizer, n_tokens) if tokenizer.is_file() else None,
            name=entry(described, "name", str),
        )


def _subwords(arrays: dict[str, AnyArray], described: object) -> Subwords:
    vectors, dim = arrays["subwords"], arrays["vectors"].shape[1]
    check_shape("subwords", vectors, (len(vectors), dim))
    shortest, longest = entry(described, "lengths", tuple[int, int])
    if not 1 <= shortest <= longest <= _MAX_SUBWORD or not len(vectors):
        raise ValueError(f"{len(vectors)} parts of words with {shortest} to {longest} letters")
    return Subwords(vectors, shortest, longest)


def _tokenizer(path: Path, n_tokens: int) -> str:
    """Return the JSON of a tokenizer. Raise ValueError if an id has no row in the vectors."""
    from tokenizers import Tokenizer

    described = path.read_text(encoding="utf-8")
    largest = max(Tokenizer.from_str(described).get_vocab().values(), default=0)
    if largest >= n_tokens:
        raise ValueError(f"a tokenizer with the id {largest} for {n_tokens} vectors")
    return described
