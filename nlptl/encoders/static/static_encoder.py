"""Encoder that pools word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.described import checked, entry
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import JsonObject
from nlptl.base.specs import Spec, pipeline_step
from nlptl.base.suggestions import suggest
from nlptl.data.rows import text_list
from nlptl.encoders.static.distillation import DISTILLED_FROM, Distilled
from nlptl.encoders.static.tokens import (
    Coverage,
    TokenBatch,
    check_pieces,
    coverage_of,
    tokenize,
)
from nlptl.encoders.static.trained_vectors import OwnVectors
from nlptl.encoders.static.vector_sources import open_vectors
from nlptl.encoders.static.vector_store import VectorStore
from nlptl.encoders.static.word_pooling import (
    POOLINGS,
    inverse_document_frequency,
    sif_weights,
    unit_groups,
    zipf_probability,
)
from nlptl.storage.places import fixed_path
from nlptl.storage.tensors import check_array, load_arrays, save_arrays

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

    from nlptl.encoders.bilingual.alignment import WordAlignment
    from nlptl.encoders.bilingual.dictionaries import DictionaryLike

_BLOCK = 4096
_DISTILLED = Distilled()
_IDF = "idf.safetensors"


@pipeline_step
@dataclass(frozen=True)
class StaticEncoder(Spec):
    """Encoder that pools word vectors: thousands of texts per second on one CPU.

    Parameters
    ----------
    vectors : str, Path, Distilled, OwnVectors, KeyedVectors or VectorStore
        Source of the vectors. A file: word2vec text or binary, GloVe text, fastText .vec or .bin,
        plain or gzip. ``Distilled`` (the default): a transformer to distil. ``OwnVectors``: train
        on the texts passed to ``fit``. ``KeyedVectors``: vectors from gensim. A file is converted
        once into a memory-mapped store.
    pooling : str or tuple of str
        ``"mean"``, ``"sif"`` (rare words have larger weights [1]_), ``"idf"`` (weights computed
        from the texts passed to ``fit``) or ``"max"``. The results of several are concatenated.
    cache : str, Path or None
        Folder for converted and distilled vectors. ``"auto"`` is the user's cache folder. None
        converts the vectors again each time.

    References
    ----------
    .. [1] Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings",
       ICLR 2017.
    """

    vectors: Any = _DISTILLED
    pooling: str | tuple[str, ...] = "sif"
    cache: str | Path | None = "auto"
    idf: FloatArray | None = field(default=None, repr=False, compare=False)
    keeps_marks: bool = field(default=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", fixed_path(self.vectors))
        for name in self._poolings:
            if name not in POOLINGS:
                raise ConfigError(f"No pooling is called {name!r}. {suggest(name, POOLINGS)}")

    def fit(self, texts: Sequence[str], y: object = None) -> Self:
        """Open the vectors or train them on ``texts``, and compute IDF weights if needed.

        Parameters
        ----------
        texts : sequence of str
            The texts of the task, and unlabelled texts if available.

        Returns
        -------
        StaticEncoder
            A fitted copy that holds the vectors. This encoder does not change.
        """
        texts = text_list(texts)
        if isinstance(self.vectors, OwnVectors):
            store = self.vectors.learn(texts)
        else:
            store = open_vectors(self.vectors, cache=self.cache)
        return replace(self, vectors=store, idf=self._learn_idf(store, texts))

    def transform(self, texts: Sequence[str]) -> FloatArray:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str
            Any number of texts.

        Returns
        -------
        ndarray of shape (n, dim), float32
            Each group of columns has length 1. The row of a text without known words is zero.

        Raises
        ------
        InputError
            If ``pooling="idf"`` or ``OwnVectors`` is used before ``fit``.
        """
        if isinstance(texts, str):
            raise InputError(
                f"Expected a list of texts, got one string {texts[:40]!r}. Pass a list: [text]."
            )
        store = self._store()
        if "idf" in self._poolings and self.idf is None:
            raise InputError(
                "pooling='idf' needs a fitted encoder. Use the encoder that fit(texts) returns."
            )
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            block = self._tokenize(store, texts[start : start + _BLOCK])
            vectors[start : start + _BLOCK] = self._pool(store, block)
        return vectors

    def coverage(self, texts: Sequence[str]) -> Coverage:
        """Return the share of the words of texts that have a vector, and the words without one."""
        return coverage_of(self._tokenize(self._store(), texts))

    def align(
        self,
        target: StaticEncoder,
        pairs: DictionaryLike | None = None,
        how: WordAlignment | None = None,
    ) -> Self:
        """Return a copy with vectors mapped into the space of another language.

        A classifier trained on the other language can then read this language:
        ``clf.with_encoder(german.align(english, dictionary)).predict(german_texts)``.

        Parameters
        ----------
        target : StaticEncoder
            Encoder of the other language.
        pairs : list of (str, str), dict, DataFrame, str, Path or None
            A dictionary from this language into the other. None uses the words that both
            languages spell the same.
        how : WordAlignment or None
            Settings of the alignment. None means ``WordAlignment()``.

        Raises
        ------
        InputError
            If fewer than ten pairs have vectors, or ``OwnVectors`` are not trained yet.
        ConfigError
            If the vectors belong to parts of words instead of words.
        """
        from nlptl.encoders.bilingual.alignment import WordAlignment

        aligned = (how or WordAlignment()).learn(self._store(), target._store(), pairs)
        return replace(self, vectors=aligned.moved())

    def keyed_vectors(self) -> KeyedVectors:
        """Return the vectors as gensim ``KeyedVectors`` that share their memory."""
        return self._store().keyed_vectors()

    @property
    def is_complete(self) -> bool:
        """True if every text consists of known tokens, as with the tokens of a transformer."""
        return self._store().tokenizer is not None

    @property
    def origin(self) -> str | None:
        """Name on the Hub of the encoder that the vectors were distilled from; None without one."""
        name = getattr(self.vectors, "name", "")
        origin = name.removeprefix(DISTILLED_FROM)
        return origin if origin != name and origin.count("/") == 1 else None

    @property
    def learns_from_text(self) -> bool:
        """True if ``fit`` trains word vectors or computes IDF weights from the texts."""
        return isinstance(self.vectors, OwnVectors) or "idf" in self._poolings

    @property
    def groups(self) -> Groups:
        """Column groups of the result: one per pooling and group of the vectors."""
        inner = self._store().groups
        return tuple((f"{pool} {name}", width) for pool in self._poolings for name, width in inner)

    @property
    def dim(self) -> int:
        """Number of columns of the result."""
        return sum(width for _, width in self.groups)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the vectors into a folder and return the settings as plain JSON."""
        self._store().save(folder)
        if self.idf is not None:
            save_arrays(folder / _IDF, {"idf": self.idf})
        return {"pooling": list(self._poolings), "keeps_marks": self.keeps_marks}

    @classmethod
    def load(cls, folder: Path, described: JsonObject) -> Self:
        """Load what ``save`` wrote. The vectors are memory-mapped."""
        idf = load_arrays(folder / _IDF)["idf"] if (folder / _IDF).is_file() else None
        store, pooling = VectorStore.load(folder), entry(described, "pooling", tuple[str, ...])
        keeps_marks = checked(described.get("keeps_marks", False), bool, "keeps_marks")
        if not pooling or ("idf" in pooling) != (idf is not None):
            raise ValueError(f"pooling {pooling} {'without' if idf is None else 'with'} {_IDF}")
        if idf is not None:
            check_array("idf", idf, (len(store.tokens),))
        check_array("vectors", store.vectors, store.vectors.shape)
        if store.subwords is not None:
            check_array("subwords", store.subwords.vectors, store.subwords.vectors.shape)
        check_pieces(store)
        return cls(store, pooling, None, idf, keeps_marks)

    @property
    def _poolings(self) -> tuple[str, ...]:
        return (self.pooling,) if isinstance(self.pooling, str) else tuple(self.pooling)

    def _store(self) -> VectorStore:
        if isinstance(self.vectors, OwnVectors):
            raise InputError("OwnVectors are not trained. Use the encoder that fit(texts) returns.")
        return open_vectors(self.vectors, cache=self.cache)

    def _tokenize(self, store: VectorStore, texts: Sequence[str]) -> TokenBatch:
        return tokenize(store, texts, marks=self.keeps_marks)

    def _pool(self, store: VectorStore, batch: TokenBatch) -> FloatArray:
        weights = {
            "sif": sif_weights(zipf_probability(batch.ranks, len(store.tokens))),
            "idf": self._idf_of(batch),
        }
        equal_weights = np.ones(len(batch.tokens))
        parts = [POOLINGS[name](batch, weights.get(name, equal_weights)) for name in self._poolings]
        return unit_groups(np.concatenate(parts, axis=1), self.groups)

    def _learn_idf(self, store: VectorStore, texts: Sequence[str]) -> FloatArray | None:
        if "idf" not in self._poolings:
            return None
        batch = self._tokenize(store, texts)
        text_of_place = np.repeat(np.arange(len(texts)), np.diff(batch.bounds))
        pairs = np.unique(np.stack([text_of_place, batch.places]), axis=1)
        with_token = np.zeros(len(store.tokens))
        in_vocabulary = batch.ranks >= 0
        counts = np.bincount(pairs[1], minlength=len(batch.tokens))
        with_token[batch.ranks[in_vocabulary]] = counts[in_vocabulary]
        return inverse_document_frequency(len(texts), with_token).astype(np.float32)

    def _idf_of(self, batch: TokenBatch) -> FloatArray:
        if self.idf is None:
            return np.ones(len(batch.tokens))
        return np.where(batch.ranks >= 0, self.idf[batch.ranks], self.idf.max())
