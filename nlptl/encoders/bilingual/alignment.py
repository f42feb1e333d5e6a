"""Alignment of the word vectors of two languages with an orthogonal map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.specs import Spec
from nlptl.encoders.bilingual.dictionaries import DictionaryLike, WordPairs, row_of, word_pairs
from nlptl.encoders.bilingual.mapping import Centring, WordMap, rotation_between
from nlptl.encoders.bilingual.retrieval import crowding, mutual, nearest
from nlptl.encoders.static.vector_formats import Subwords
from nlptl.encoders.static.vector_store import VectorStore

MIN_PAIRS_TO_ALIGN = 10


@dataclass(frozen=True)
class WordAlignment(Spec):
    """Settings for aligning two spaces of word vectors.

    The word pairs determine an orthogonal map (Procrustes) between centred vectors of length 1
    [1]_. Each refinement adds the pairs of mutual nearest neighbours under CSLS, which penalises
    hubs [2]_, and computes the map again. Refinement stops early when the share of mutual nearest
    neighbours no longer grows.

    Parameters
    ----------
    rounds : int
        Maximum number of refinements. 0 uses the word pairs alone.
    most : int
        Number of words per language that take part in refinements. The most frequent are used.

    References
    ----------
    .. [1] Xing et al., "Normalized Word Embedding and Orthogonal Transform for Bilingual Word
       Translation", NAACL 2015.
    .. [2] Conneau et al., "Word Translation Without Parallel Data", ICLR 2018, arXiv:1710.04087.
    """

    rounds: int = 5
    most: int = 10_000

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise ConfigError(f"rounds must be at least 0, got {self.rounds}. Use 0 or more.")
        if self.most < 1:
            raise ConfigError(f"most must be at least 1, got {self.most}. Use 1 or more.")

    def learn(
        self, source: VectorStore, target: VectorStore, pairs: DictionaryLike | None = None
    ) -> Aligned:
        """Align two stores of word vectors.

        Parameters
        ----------
        source, target : VectorStore
            Word vectors of the two languages.
        pairs : list of (str, str), dict, DataFrame, str, Path or None
            A dictionary. None uses the words that both languages spell the same.

        Raises
        ------
        InputError
            If fewer than ten pairs of words have vectors.
        ConfigError
            If the vectors belong to parts of words instead of words.
        """
        for store in (source, target):
            if store.tokenizer is not None:
                raise ConfigError(
                    f"Only vectors of words can be aligned, but {store.name!r} contains vectors of "
                    "parts of words. Use vectors of words."
                )
        seed_pairs = (
            WordPairs.alike(source.tokens, target.tokens)
            if pairs is None
            else WordPairs.among(word_pairs(pairs), source.tokens, target.tokens)
        )
        if len(seed_pairs) < MIN_PAIRS_TO_ALIGN:
            raise InputError(
                f"At least {MIN_PAIRS_TO_ALIGN} pairs must have vectors in both languages, got "
                f"{len(seed_pairs)} of {seed_pairs.n_pairs} pairs. Pass a larger dictionary."
            )
        return self._aligned(source, target, seed_pairs)

    def _aligned(self, source: VectorStore, target: VectorStore, pairs: WordPairs) -> Aligned:
        left, right = (np.asarray(store.vectors, np.float32) for store in (source, target))
        centrings = Centring.of(left), Centring.of(right)
        left, right = (centre(v) for centre, v in zip(centrings, (left, right), strict=True))
        rotation = rotation_between(left[pairs.source], right[pairs.target])
        history: list[tuple[float, float]] = []
        for _ in range(self.rounds):
            rotated = left[: self.most] @ rotation
            left_rows, right_rows = mutual(rotated, right[: self.most])
            cosine = float((rotated[left_rows] * right[right_rows]).sum(axis=1).mean())
            history.append((len(left_rows) / len(rotated), cosine))
            if len(history) > 1 and history[-1][0] <= history[-2][0]:
                break  # the share of mutual nearest neighbours no longer grows
            left_rows = np.append(pairs.source, left_rows)
            right_rows = np.append(pairs.target, right_rows)
            rotation = rotation_between(left[left_rows], right[right_rows])
        return Aligned(source, target, WordMap(rotation, *centrings), pairs, tuple(history))


@dataclass(frozen=True, eq=False)
class Aligned:
    """Word vectors of two languages, with the map from the source space to the target space.

    Attributes
    ----------
    source, target : VectorStore
        The original word vectors.
    map : WordMap
        Map from the source space to the target space.
    pairs : WordPairs
        Word pairs of the dictionary, from which the first map was computed.
    history : tuple of (float, float)
        For each refinement: the share of words with a mutual nearest neighbour, and the mean
        cosine of these neighbours.
    """

    source: VectorStore
    target: VectorStore
    map: WordMap
    pairs: WordPairs
    history: tuple[tuple[float, float], ...] = field(default=())

    def moved(self) -> VectorStore:
        """Return the source vectors, mapped into the target space."""
        source = self.source
        subwords = source.subwords
        if subwords is not None:
            grams = self.map.turned(subwords.vectors)
            subwords = Subwords(grams, subwords.shortest, subwords.longest)
        vectors = self.map(np.asarray(source.vectors, np.float32))
        groups = ((source.groups[0][0], int(vectors.shape[1])),)
        name = f"{source.name}, in the space of {self.target.name}"
        return VectorStore(source.tokens, vectors, groups, subwords, name=name)

    def translate(self, words: Sequence[str], *, n: int = 1) -> list[list[str]]:
        """Return the nearest target words of each source word, by CSLS.

        Parameters
        ----------
        words : sequence of str
            Words of the source language.
        n : int
            Number of target words per source word. A word without a vector gets an empty list.
        """
        rows = [row_of(self.source.row_of_spelling, word) for word in words]
        with_vector = [row for row in rows if row is not None]
        neighbours = self._nearest(np.array(with_vector, np.int64), n)
        targets_of_row = dict(zip(with_vector, neighbours, strict=True))
        return [
            [] if row is None else [self.target.tokens[i] for i in targets_of_row[row]]
            for row in rows
        ]

    def precision(self, pairs: DictionaryLike) -> tuple[IntArray, int]:
        """Check for each word of a dictionary that its nearest word is one of its translations.

        Parameters
        ----------
        pairs : list of (str, str), dict, DataFrame, str or Path

        Returns
        -------
        hits : ndarray of shape (n,)
            1 or 0 for each word that has a vector and a translation with a vector.
        n_words : int
            Number of distinct words in the dictionary.
        """
        dictionary = word_pairs(pairs)
        with_vectors = WordPairs.among(dictionary, self.source.tokens, self.target.tokens)
        row_pairs = zip(with_vectors.source.tolist(), with_vectors.target.tolist(), strict=True)
        translations: dict[int, set[int]] = {}
        for source_row, target_row in row_pairs:
            translations.setdefault(source_row, set()).add(target_row)
        rows = np.array(list(translations), np.int64)
        best = self._nearest(rows, 1)[:, 0] if len(rows) else rows
        hits = [int(near) in translations[int(row)] for row, near in zip(rows, best, strict=True)]
        return np.array(hits, np.int64), len({word for word, _ in dictionary})

    def _nearest(self, rows: IntArray, n: int) -> IntArray:
        left, right = self._spaces
        return nearest(left[rows], right, hubs=crowding(right, left), n=n)[0]

    @property
    def _spaces(self) -> tuple[FloatArray, FloatArray]:
        left = self.map.source(np.asarray(self.source.vectors, np.float32)) @ self.map.rotation
        return left, self.map.target(np.asarray(self.target.vectors, np.float32))
