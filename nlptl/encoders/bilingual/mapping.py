"""The map from one space of word vectors into another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.preprocessing import normalize

from nlptl.base.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Centring:
    """A space of word vectors made comparable: rows of length 1, their mean taken away.

    Attributes
    ----------
    mean : ndarray of shape (dim,)
        Of the rows once they have length 1.
    length : float
        The mean length of the rows.
    """

    mean: FloatArray
    length: float

    @classmethod
    def of(cls, vectors: FloatArray) -> Centring:
        """Measure some vectors: (n, dim)."""
        lengths = np.linalg.norm(vectors, axis=1)
        return cls(normalize(vectors).mean(axis=0), float(max(lengths.mean(), 1e-12)))

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Give vectors length 1 around the mean, and then length 1 again: (n, dim)."""
        found: FloatArray = normalize(normalize(vectors) - self.mean)
        return found


@dataclass(frozen=True, eq=False)
class WordMap:
    """A map that turns one space of word vectors into another, keeping angles.

    Attributes
    ----------
    rotation : ndarray of shape (dim, target_dim)
        Orthogonal.
    source, target : Centring
    """

    rotation: FloatArray
    source: Centring
    target: Centring

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Move vectors to where words of the other language lie, lengths included.

        A word that is longer than others of its language, as rare or telling words are, is
        longer in the other one too: (n, dim) becomes (n, target_dim).
        """
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        placed = (normalize(vectors) - self.source.mean) @ self.rotation + self.target.mean
        found: FloatArray = (lengths * self.scale * placed).astype(np.float32)
        return found

    def turned(self, vectors: FloatArray) -> FloatArray:
        """Turn vectors without moving their middle, as parts of words are: (n, target_dim)."""
        found: FloatArray = (self.scale * (vectors @ self.rotation)).astype(np.float32)
        return found

    @property
    def scale(self) -> float:
        """How much longer vectors of the other space are."""
        return self.target.length / self.source.length


def rotation_between(source: FloatArray, target: FloatArray) -> FloatArray:
    """Give the orthogonal matrix that brings rows of one array nearest to those of the other.

    The closed solution of the orthogonal Procrustes problem [1]_, on which word vectors of two
    languages are best aligned [2]_: (dim, target_dim). Spaces may be of different widths.

    Parameters
    ----------
    source : ndarray of shape (n, dim)
    target : ndarray of shape (n, target_dim)

    References
    ----------
    .. [1] Schönemann, "A Generalized Solution of the Orthogonal Procrustes Problem",
       Psychometrika 31, 1966.
    .. [2] Xing et al., "Normalized Word Embedding and Orthogonal Transform for Bilingual Word
       Translation", NAACL 2015.
    """
    widths = source.shape[1], target.shape[1]
    padded = [np.pad(side, ((0, 0), (0, max(widths) - side.shape[1]))) for side in (source, target)]
    rotation, _ = orthogonal_procrustes(*padded)
    found: FloatArray = rotation[: widths[0], : widths[1]]
    return found
