"""Map from one space of word vectors into another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.preprocessing import normalize

from nlptl.base.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Centring:
    """Centring of word vectors, which makes two spaces comparable.

    Attributes
    ----------
    mean : ndarray of shape (dim,)
        Mean of the rows after they are scaled to length 1.
    length : float
        Mean length of the rows before scaling.
    """

    mean: FloatArray
    length: float

    @classmethod
    def of(cls, vectors: FloatArray) -> Centring:
        """Compute mean and mean length of vectors of shape (n, dim)."""
        lengths = np.linalg.norm(vectors, axis=1)
        return cls(normalize(vectors).mean(axis=0), float(max(lengths.mean(), 1e-12)))

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Scale vectors to length 1, subtract the mean, and scale to length 1 again: (n, dim)."""
        centred: FloatArray = normalize(normalize(vectors) - self.mean)
        return centred


@dataclass(frozen=True, eq=False)
class WordMap:
    """Map that rotates one space of word vectors into another and keeps angles.

    Attributes
    ----------
    rotation : ndarray of shape (dim, target_dim)
        Orthogonal matrix.
    source, target : Centring
        Centring of each space.
    """

    rotation: FloatArray
    source: Centring
    target: Centring

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Map word vectors into the target space: (n, dim) becomes (n, target_dim).

        Relative lengths are kept. A vector that is longer than others of its language, such as
        that of a rare or informative word, is also longer in the target space.
        """
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        directions = (normalize(vectors) - self.source.mean) @ self.rotation + self.target.mean
        mapped: FloatArray = (lengths * self.scale * directions).astype(np.float32)
        return mapped

    def turned(self, vectors: FloatArray) -> FloatArray:
        """Rotate and scale vectors of word parts without shifting their mean: (n, target_dim)."""
        rotated: FloatArray = (self.scale * (vectors @ self.rotation)).astype(np.float32)
        return rotated

    @property
    def scale(self) -> float:
        """Ratio of the mean vector lengths: target space to source space."""
        return self.target.length / self.source.length


def rotation_between(source: FloatArray, target: FloatArray) -> FloatArray:
    """Return the orthogonal matrix that maps the rows of ``source`` closest to those of ``target``.

    This is the closed-form solution of the orthogonal Procrustes problem [1]_. An orthogonal map
    aligns the word vectors of two languages best [2]_. The two spaces may have different widths.

    Parameters
    ----------
    source : ndarray of shape (n, dim)
    target : ndarray of shape (n, target_dim)

    Returns
    -------
    ndarray of shape (dim, target_dim)

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
    cropped: FloatArray = rotation[: widths[0], : widths[1]]
    return cropped
