"""Nearest vectors across two spaces, hubs held back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray

_BLOCK = 1024
_N_NEIGHBOURS = 10


def crowding(vectors: FloatArray, others: FloatArray) -> FloatArray:
    """Give the mean cosine of each vector to its ten nearest others: (n,).

    Parameters
    ----------
    vectors : ndarray of shape (n, dim)
        Of length 1.
    others : ndarray of shape (m, dim)
        Of length 1.
    """
    k = min(_N_NEIGHBOURS, len(others))
    found = [
        np.partition(block @ others.T, len(others) - k, axis=1)[:, -k:].mean(axis=1)
        for block in _blocks(vectors)
    ]
    return np.concatenate(found) if found else np.zeros(0, vectors.dtype)


def nearest(
    queries: FloatArray, keys: FloatArray, *, hubs: FloatArray | None = None, n: int = 1
) -> tuple[IntArray, FloatArray]:
    """Find the keys nearest to each query, the nearest first.

    By twice the cosine less how crowded the place of the key is: vectors that are near to
    everything are held back (CSLS [1]_). How crowded the place of the query is does not change
    the order.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, dim)
        Of length 1.
    keys : ndarray of shape (n_keys, dim)
        Of length 1.
    hubs : ndarray of shape (n_keys,) or None
        ``crowding`` of each key among queries; None is the plain cosine.
    n : int

    Returns
    -------
    places, scores : ndarray of shape (n_queries, n)

    References
    ----------
    .. [1] Conneau et al., "Word Translation Without Parallel Data", ICLR 2018, arXiv:1710.04087.
    """
    n = min(n, len(keys))
    places, scores = [np.zeros((0, n), np.int64)], [np.zeros((0, n), queries.dtype)]
    for block in _blocks(queries):
        found = block @ keys.T
        if hubs is not None:
            found = 2 * found - hubs
        some = np.argpartition(-found, n - 1, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(found, some, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(some, order, axis=1)
        places.append(best)
        scores.append(np.take_along_axis(found, best, axis=1))
    return np.concatenate(places), np.concatenate(scores)


def mutual(left: FloatArray, right: FloatArray) -> tuple[IntArray, IntArray]:
    """Find the pairs that are each other's nearest, hubs held back.

    Parameters
    ----------
    left : ndarray of shape (n_left, dim)
        Of length 1.
    right : ndarray of shape (n_right, dim)
        Of length 1.

    Returns
    -------
    of_left, of_right : ndarray of shape (n_pairs,)
    """
    forward = nearest(left, right, hubs=crowding(right, left))[0][:, 0]
    back = nearest(right, left, hubs=crowding(left, right))[0][:, 0]
    own = np.arange(len(left))
    agree = back[forward] == own
    return own[agree], forward[agree]


def share_found(queries: FloatArray, keys: FloatArray, texts: Sequence[str]) -> float:
    """Give the share of queries whose nearest key, by the cosine, is the one of the same row.

    Parameters
    ----------
    queries, keys : ndarray of shape (n, dim)
        Of length 1.
    texts : sequence of str
        What the keys stand for: keys of equal text count as one.
    """
    best = nearest(queries, keys)[0][:, 0]
    return float(
        np.mean([texts[int(found)] == own for found, own in zip(best, texts, strict=True)])
    )


def _blocks(vectors: FloatArray) -> list[FloatArray]:
    return [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]
