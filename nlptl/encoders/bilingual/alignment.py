"""Learning how the word vectors of two languages lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.specs import Spec
from nlptl.encoders.bilingual.dictionaries import WordPairs, row_of, word_pairs
from nlptl.encoders.bilingual.mapping import Centring, WordMap, rotation_between
from nlptl.encoders.bilingual.retrieval import crowding, mutual, nearest
from nlptl.encoders.static.vector_formats import Subwords
from nlptl.encoders.static.vector_store import VectorStore

MIN_PAIRS_TO_ALIGN = 10


@dataclass(frozen=True)
class WordAlignment(Spec):
    """How two spaces of word vectors are aligned.

    From pairs of words an orthogonal map is learnt (Procrustes) between vectors of length 1 around
    their mean [1]_; then, from those pairs and the words that are each other's nearest with
    hubs held back (CSLS) [2]_, again, as long as these come nearer to each other.

    Parameters
    ----------
    rounds : int
        The most refinements; 0 learns from the pairs alone.
    most : int
        So many words of each language, the most frequent, take part in refinements.

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
            raise ConfigError(f"rounds must be at least 0, got {self.rounds}.")
        if self.most < 1:
            raise ConfigError(f"most must be at least 1, got {self.most}.")

    def learn(self, source: VectorStore, target: VectorStore, pairs: Any = None) -> Aligned:
        """Align two stores of words.

        Parameters
        ----------
        source, target : VectorStore
        pairs : list of (str, str), dict, DataFrame, str, Path or None
            A dictionary; None takes the words that both languages spell alike.

        Raises
        ------
        InputError
            If fewer than ten pairs of words have vectors.
        ConfigError
            If the vectors are of parts of words.
        """
        for store in (source, target):
            if store.tokenizer is not None:
                raise ConfigError(f"{store.name} holds parts of words, and only words are aligned.")
        found = (
            WordPairs.alike(source.tokens, target.tokens)
            if pairs is None
            else WordPairs.among(word_pairs(pairs), source.tokens, target.tokens)
        )
        if len(found) < MIN_PAIRS_TO_ALIGN:
            raise InputError(
                f"Only {len(found)} of {found.given} pairs have vectors in both languages, and "
                f"{MIN_PAIRS_TO_ALIGN} are needed at least. Give a larger dictionary."
            )
        return self._aligned(source, target, found)

    def _aligned(self, source: VectorStore, target: VectorStore, pairs: WordPairs) -> Aligned:
        left, right = (np.asarray(store.vectors, np.float32) for store in (source, target))
        centrings = Centring.of(left), Centring.of(right)
        left, right = (centre(v) for centre, v in zip(centrings, (left, right), strict=True))
        rotation = rotation_between(left[pairs.source], right[pairs.target])
        history: list[tuple[float, float]] = []
        for _ in range(self.rounds):
            turned = left[: self.most] @ rotation
            own, other = mutual(turned, right[: self.most])
            near = float((turned[own] * right[other]).sum(axis=1).mean())
            history.append((len(own) / len(turned), near))
            if len(history) > 1 and history[-1][0] <= history[-2][0]:
                break  # no more words find each other
            own, other = np.append(pairs.source, own), np.append(pairs.target, other)
            rotation = rotation_between(left[own], right[other])
        return Aligned(source, target, WordMap(rotation, *centrings), pairs, tuple(history))


@dataclass(frozen=True, eq=False)
class Aligned:
    """Two languages in one space.

    Attributes
    ----------
    source, target : VectorStore
        As they were.
    map : WordMap
        From source to target.
    pairs : WordPairs
        What was learnt from first.
    history : tuple of (float, float)
        Of each refinement: the share of the words that are each other's nearest, and their mean
        cosine.
    """

    source: VectorStore
    target: VectorStore
    map: WordMap
    pairs: WordPairs
    history: tuple[tuple[float, float], ...] = field(default=())

    def moved(self) -> VectorStore:
        """Give the vectors of the source where those of the target lie."""
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
        """Give the nearest words of the target for words of the source, hubs held back.

        Parameters
        ----------
        words : sequence of str
        n : int
            So many for each; none for a word without a vector.
        """
        rows = [row_of(self.source.row_of_spelling, word) for word in words]
        known = [row for row in rows if row is not None]
        found = dict(zip(known, self._nearest(np.array(known, np.int64), n), strict=True))
        return [[] if row is None else [self.target.tokens[i] for i in found[row]] for row in rows]

    def precision(self, pairs: Any) -> tuple[IntArray, int]:
        """Say of each word of a dictionary whether the nearest word is one of its translations.

        Parameters
        ----------
        pairs : list of (str, str), dict, DataFrame, str or Path

        Returns
        -------
        hits : ndarray of shape (n,)
            1 or 0, of the words that have a vector, and a translation that has one.
        n_words : int
            Different words in the dictionary.
        """
        given = word_pairs(pairs)
        known = WordPairs.among(given, self.source.tokens, self.target.tokens)
        right: dict[int, set[int]] = {}
        for own, other in zip(known.source.tolist(), known.target.tolist(), strict=True):
            right.setdefault(own, set()).add(other)
        rows = np.array(list(right), np.int64)
        best = self._nearest(rows, 1)[:, 0] if len(rows) else rows
        hits = [int(place) in right[int(row)] for row, place in zip(rows, best, strict=True)]
        return np.array(hits, np.int64), len({word for word, _ in given})

    def _nearest(self, rows: IntArray, n: int) -> IntArray:
        left, right = self._spaces
        return nearest(left[rows], right, hubs=crowding(right, left), n=n)[0]

    @property
    def _spaces(self) -> tuple[FloatArray, FloatArray]:
        own = self.map.source(np.asarray(self.source.vectors, np.float32)) @ self.map.rotation
        return own, self.map.target(np.asarray(self.target.vectors, np.float32))
