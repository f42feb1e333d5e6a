"""Learning curves as power laws: the score approaches an asymptote as labels are added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nlptl.base.arrays import FloatArray

_EXPONENTS = np.geomspace(0.05, 2.0, 80)
_POINTS = 512
"""Number of sizes at which two curves are compared; neighbours differ by about 1 %."""


@dataclass(frozen=True)
class PowerLaws:
    """Curves ``asymptote - drop * (size / smallest) ** -exponent`` [1]_.

    Attributes
    ----------
    smallest : float
        Smallest measured size.
    asymptote, drop, exponent : ndarray of shape (n,)
        Parameters of each curve. ``drop`` is the distance to the asymptote at the smallest size.

    References
    ----------
    .. [1] Viering and Loog, "The Shape of Learning Curves: A Review", TPAMI 2023,
       arXiv:2103.10948.
    """

    smallest: float
    asymptote: FloatArray
    drop: FloatArray
    exponent: FloatArray

    @classmethod
    def fit(cls, sizes: FloatArray, scores: FloatArray, *, limit: float) -> PowerLaws:
        """Fit curves that never fall by least squares.

        Parameters
        ----------
        sizes : ndarray of shape (n_sizes,)
            Sizes in ascending order, above 0.
        scores : ndarray of shape (n, n_sizes)
            Scores of each curve.
        limit : float
            Largest possible asymptote.
        """
        n = len(scores)
        best, errors = np.zeros((n, 3)), np.full(n, np.inf)
        for exponent in _EXPONENTS:
            shape = (sizes / sizes[0]) ** -exponent
            asymptote, drop = _line(shape, scores, limit)
            error = ((asymptote[:, None] - drop[:, None] * shape - scores) ** 2).sum(axis=1)
            better = error < errors - 1e-12
            fitted = np.column_stack([asymptote, drop, np.full(n, exponent)])
            best[better], errors[better] = fitted[better], error[better]
        return cls(float(sizes[0]), *best.T)

    def at(self, sizes: FloatArray) -> FloatArray:
        """Return the scores (n, n_sizes) at sizes above 0."""
        steps = (sizes / self.smallest)[None, :] ** -self.exponent[:, None]
        scores: FloatArray = self.asymptote[:, None] - self.drop[:, None] * steps
        return scores


def first_reached(curves: PowerLaws, scores: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return the size at which each curve reaches other scores, within the measured sizes.

    Parameters
    ----------
    curves : PowerLaws
        n curves.
    scores : ndarray of shape (n, n_sizes) or (n, 1)
        Scores to reach, at each of the sizes.
    sizes : ndarray of shape (n_sizes,)
        Sizes in ascending order.

    Returns
    -------
    ndarray of shape (n,)
        Minus infinity if the score is reached at the first size already, infinity if it is not
        reached at the last one.
    """
    reaches = curves.at(sizes) >= scores
    first = np.argmax(reaches, axis=1)
    reached = np.where(first == 0, -np.inf, sizes[first])
    return np.where(reaches.any(axis=1), reached, np.inf)


def sizes_between(sizes: FloatArray) -> FloatArray:
    """Return many sizes between the smallest and the largest one, in equal ratios."""
    return np.geomspace(sizes[0], sizes[-1], _POINTS)


def _line(shape: FloatArray, scores: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """Return asymptote and drop of the best curves with one exponent."""
    centred = shape - shape.mean()
    means = scores.mean(axis=1)
    drop = np.maximum(-(scores - means[:, None]) @ centred / (centred @ centred), 0.0)
    asymptote = means + drop * shape.mean()
    at_limit = np.maximum((limit - scores) @ shape / (shape @ shape), 0.0)
    too_high = asymptote > limit
    return np.where(too_high, limit, asymptote), np.where(too_high, at_limit, drop)
