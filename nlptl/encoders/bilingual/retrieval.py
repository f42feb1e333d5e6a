"""Nearest neighbours across two spaces of vectors, with a penalty for hubs (CSLS)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray

_BLOCK = 1024
_N_NEIGHBOURS = 10


def crowding(vectors: FloatArray, others: FloatArray) -> FloatArray:
    """Return the mean cosine of each vector to its ten nearest ``others``: (n,).

    Parameters
    ----------
    vectors : ndarray of shape (n, dim)
        Vectors of length 1.
    others : ndarray of shape (m, dim)
        Vectors of length 1.
    """
    k = min(_N_NEIGHBOURS, len(others))
    means = [
        np.partition(block @ others.T, len(others) - k, axis=1)[:, -k:].mean(axis=1)
        for block in _blocks(vectors)
    ]
    return np.concatenate(means) if means else np.zeros(0, vectors.dtype)


def nearest(
    queries: FloatArray, keys: FloatArray, *, hubs: FloatArray | None = None, n: int = 1
) -> tuple[IntArray, FloatArray]:
    """Return the ``n`` keys nearest to each query, the nearest first.

    The score is twice the cosine minus the ``crowding`` of the key (CSLS [1]_). This penalises
    hubs, which are keys that are near to many queries. The crowding of the query is left out,
    because it does not change the order.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, dim)
        Vectors of length 1.
    keys : ndarray of shape (n_keys, dim)
        Vectors of length 1.
    hubs : ndarray of shape (n_keys,) or None
        ``crowding`` of each key among the queries. None scores by the plain cosine.
    n : int
        Number of keys per query.

    Returns
    -------
    rows, scores : ndarray of shape (n_queries, n)
        Row numbers of the keys, and their scores.

    References
    ----------
    .. [1] Conneau et al., "Word Translation Without Parallel Data", ICLR 2018, arXiv:1710.04087.
    """
    n = min(n, len(keys))
    rows, scores = [np.zeros((0, n), np.int64)], [np.zeros((0, n), queries.dtype)]
    for block in _blocks(queries):
        similarity = block @ keys.T
        if hubs is not None:
            similarity = 2 * similarity - hubs
        top = np.argpartition(-similarity, n - 1, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(similarity, top, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(top, order, axis=1)
        rows.append(best)
        scores.append(np.take_along_axis(similarity, best, axis=1))
    return np.concatenate(rows), np.concatenate(scores)


def mutual(left: FloatArray, right: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the rows of all pairs of mutual nearest neighbours under CSLS.

    Parameters
    ----------
    left : ndarray of shape (n_left, dim)
        Vectors of length 1.
    right : ndarray of shape (n_right, dim)
        Vectors of length 1.

    Returns
    -------
    left_rows, right_rows : ndarray of shape (n_pairs,)
    """
    forward = nearest(left, right, hubs=crowding(right, left))[0][:, 0]
    back = nearest(right, left, hubs=crowding(left, right))[0][:, 0]
    left_rows = np.arange(len(left))
    agree = back[forward] == left_rows
    return left_rows[agree], forward[agree]


def share_found(queries: FloatArray, keys: FloatArray, texts: Sequence[str]) -> float:
    """Return the share of queries whose nearest key by cosine is the key of the same row.

    Parameters
    ----------
    queries, keys : ndarray of shape (n, dim)
        Vectors of length 1.
    texts : sequence of str
        The text of each key. Keys with equal texts count as the same key.
    """
    best = nearest(queries, keys)[0][:, 0]
    return float(np.mean([texts[int(row)] == text for row, text in zip(best, texts, strict=True)]))


def _blocks(vectors: FloatArray) -> list[FloatArray]:
    return [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]
