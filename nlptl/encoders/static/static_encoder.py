"""Word vectors as an encoder."""

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
from nlptl.base.specs import Spec, pipeline_step
from nlptl.base.suggestions import suggest
from nlptl.encoders.static.distillation import Distilled
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
    from nlptl.encoders.bilingual.alignment import WordAlignment

_BLOCK = 4096
_DISTILLED = Distilled()
_IDF = "idf.safetensors"


@pipeline_step
@dataclass(frozen=True)
class StaticEncoder(Spec):
    """Turn texts into pooled word vectors: thousands of texts a second on one processor.

    Parameters
    ----------
    vectors : str, Path, Distilled, OwnVectors, KeyedVectors or VectorStore
        Where the vectors come from: a file (word2vec text or binary, GloVe text, fastText .vec
        or .bin, plain or gzip), a transformer to distil (the default), the user's own text to
        train on, or gensim vectors at hand. A file is converted once into a memory-mapped store.
    pooling : str or tuple of str
        ``"mean"``, ``"sif"`` (rare words weigh more [1]_), ``"idf"`` (weights learnt from the
        texts given to ``fit``), ``"max"``, or several of them side by side.
    cache : str, Path or None
        Folder for converted and distilled vectors; ``"auto"`` is the user's cache folder, None
        converts again each time.

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

    def fit(self, texts: Sequence[str], y: Any = None) -> Self:
        """Open the vectors, or train them on ``texts``, and learn word weights where asked for.

        Parameters
        ----------
        texts : sequence of str
            The texts of the task, and unlabelled ones where there are some.

        Returns
        -------
        StaticEncoder
            One that holds its vectors; this one stays as it is.
        """
        if isinstance(self.vectors, OwnVectors):
            store = self.vectors.learn(list(texts))
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
            Each group of columns has length 1; a text without a known word is all zeros.

        Raises
        ------
        InputError
            If ``pooling="idf"`` or ``OwnVectors`` is used before ``fit``.
        """
        if isinstance(texts, str):
            raise InputError(f"Expected a list of texts, got one string {texts[:40]!r}.")
        store = self._store()
        if "idf" in self._poolings and self.idf is None:
            raise InputError("pooling='idf' learns from text: call fit(texts) before transform.")
        blocks = [
            self._pool(store, self._tokenize(store, texts[start : start + _BLOCK]))
            for start in range(0, len(texts), _BLOCK)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.dim), dtype=np.float32)

    def coverage(self, texts: Sequence[str]) -> Coverage:
        """Say what share of the words of some texts has a vector, and which lack one."""
        return coverage_of(self._tokenize(self._store(), texts))

    def align(
        self, target: StaticEncoder, pairs: Any = None, how: WordAlignment | None = None
    ) -> Self:
        """Give the same words where those of another language lie.

        What was learnt from vectors of the other language then reads this one:
        ``clf.with_encoder(german.align(english, dictionary)).predict(german_texts)``.

        Parameters
        ----------
        target : StaticEncoder
            Of the other language.
        pairs : list of (str, str), dict, DataFrame, str, Path or None
            A dictionary from this language into the other; None takes the words that both spell
            alike.
        how : WordAlignment or None
            None is ``WordAlignment()``.

        Raises
        ------
        InputError
            If fewer than ten pairs have vectors, or own vectors are not trained yet.
        ConfigError
            If the vectors are of parts of words.
        """
        from nlptl.encoders.bilingual.alignment import WordAlignment

        found = (how or WordAlignment()).learn(self._store(), target._store(), pairs)
        return replace(self, vectors=found.moved())

    def keyed_vectors(self) -> Any:
        """Give the vectors as gensim ``KeyedVectors``, sharing their memory."""
        return self._store().keyed_vectors()

    @property
    def is_complete(self) -> bool:
        """Whether every text is made of known tokens, as with those of a transformer."""
        return self._store().tokenizer is not None

    @property
    def learns_from_text(self) -> bool:
        """Whether ``fit`` learns anything: own vectors, or word weights."""
        return isinstance(self.vectors, OwnVectors) or "idf" in self._poolings

    @property
    def groups(self) -> Groups:
        """Column ranges of the result, one for each pooling of each group of the vectors."""
        inner = self._store().groups
        return tuple((f"{pool} {name}", width) for pool in self._poolings for name, width in inner)

    @property
    def dim(self) -> int:
        """Numbers a text."""
        return sum(width for _, width in self.groups)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the vectors into a folder; give the rest as plain JSON."""
        self._store().save(folder)
        if self.idf is not None:
            save_arrays(folder / _IDF, {"idf": self.idf})
        return {"pooling": list(self._poolings), "keeps_marks": self.keeps_marks}

    @classmethod
    def load(cls, folder: Path, described: dict[str, Any]) -> Self:
        """Map what ``save`` wrote."""
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
            raise InputError("These vectors are trained on your text: call fit(texts) first.")
        return open_vectors(self.vectors, cache=self.cache)

    def _tokenize(self, store: VectorStore, texts: Sequence[str]) -> TokenBatch:
        return tokenize(store, texts, marks=self.keeps_marks)

    def _pool(self, store: VectorStore, batch: TokenBatch) -> FloatArray:
        weights = {
            "sif": sif_weights(zipf_probability(batch.ranks, len(store.tokens))),
            "idf": self._idf_of(batch),
        }
        plain = np.ones(len(batch.tokens))
        parts = [POOLINGS[name](batch, weights.get(name, plain)) for name in self._poolings]
        return unit_groups(np.concatenate(parts, axis=1), self.groups)

    def _learn_idf(self, store: VectorStore, texts: Sequence[str]) -> FloatArray | None:
        if "idf" not in self._poolings:
            return None
        batch = self._tokenize(store, texts)
        text_of_place = np.repeat(np.arange(len(texts)), np.diff(batch.bounds))
        pairs = np.unique(np.stack([text_of_place, batch.places]), axis=1)
        with_token = np.zeros(len(store.tokens))
        known = batch.ranks >= 0
        counts = np.bincount(pairs[1], minlength=len(batch.tokens))
        with_token[batch.ranks[known]] = counts[known]
        return inverse_document_frequency(len(texts), with_token).astype(np.float32)

    def _idf_of(self, batch: TokenBatch) -> FloatArray:
        if self.idf is None:
            return np.ones(len(batch.tokens))
        return np.where(batch.ranks >= 0, self.idf[batch.ranks], self.idf.max())
