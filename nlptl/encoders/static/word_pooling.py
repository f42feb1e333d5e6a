"""Pool token vectors into one vector per text. All functions are pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from scipy import sparse

from nlptl.base.arrays import FloatArray, Groups, IntArray
from nlptl.encoders.static.tokens import TokenBatch

SIF_SMOOTHING = 1e-4


def mean(batch: TokenBatch, weights: FloatArray) -> FloatArray:
    """Average the vectors of the known tokens of each text.

    Parameters
    ----------
    batch : TokenBatch
        The tokens of n texts.
    weights : ndarray of shape (n_tokens,)
        Not used, because every occurrence has the same weight.

    Returns
    -------
    ndarray of shape (n, dim)
        Zeros for a text without a known token.
    """
    return weighted_mean(batch, np.ones_like(weights))


def weighted_mean(batch: TokenBatch, weights: FloatArray) -> FloatArray:
    """Compute the weighted mean of the vectors of the known tokens of each text.

    Parameters
    ----------
    batch : TokenBatch
        The tokens of n texts.
    weights : ndarray of shape (n_tokens,)
        Weight of each distinct token, 0 or more.

    Returns
    -------
    ndarray of shape (n, dim)
        Zeros for a text without a known token.
    """
    used = (weights * batch.has_vector).astype(np.float32)
    shape = (len(batch.bounds) - 1, len(batch.tokens))
    matrix = sparse.csr_matrix((used[batch.places], batch.places, batch.bounds), shape=shape)
    total = np.asarray(matrix.sum(axis=1))
    pooled: FloatArray = (matrix @ batch.vectors) / np.maximum(total, 1e-12)
    return pooled.astype(np.float32)


def maximum(batch: TokenBatch, _weights: FloatArray) -> FloatArray:
    """Return the maximum of each dimension over the known tokens of each text.

    Parameters
    ----------
    batch : TokenBatch
        The tokens of n texts.
    _weights : ndarray of shape (n_tokens,)
        Not used.

    Returns
    -------
    ndarray of shape (n, dim)
        Zeros for a text without a known token.
    """
    pooled = np.zeros((len(batch.bounds) - 1, batch.vectors.shape[1]), dtype=np.float32)
    for row, (start, stop) in enumerate(zip(batch.bounds[:-1], batch.bounds[1:], strict=True)):
        tokens = np.unique(batch.places[start:stop])
        tokens = tokens[batch.has_vector[tokens].astype(bool)]
        if len(tokens):
            pooled[row] = batch.vectors[tokens].max(axis=0)
    return pooled


POOLINGS: MappingProxyType[str, Callable[[TokenBatch, FloatArray], FloatArray]] = MappingProxyType(
    {"mean": mean, "sif": weighted_mean, "idf": weighted_mean, "max": maximum}
)
"""Pooling functions by name. ``sif`` and ``idf`` differ only in the weights passed to them."""


def sif_weights(probability: FloatArray, *, smoothing: float = SIF_SMOOTHING) -> FloatArray:
    """Return SIF weights ``a / (a + p)`` for tokens of probability p [1]_. Rare words weigh more.

    Parameters
    ----------
    probability : ndarray of shape (n_tokens,)
        Relative frequency of each token in running text.
    smoothing : float
        The ``a`` of the formula.

    References
    ----------
    .. [1] Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings",
       ICLR 2017.
    """
    weights: FloatArray = smoothing / (smoothing + probability)
    return weights


def zipf_probability(ranks: IntArray, n_tokens: int) -> FloatArray:
    """Estimate the probability of tokens from their ranks in a list sorted by frequency.

    Parameters
    ----------
    ranks : ndarray
        Positions in the list, from 0. A negative rank (outside the list) counts as the last.
    n_tokens : int
        Length of the list.
    """
    harmonic = np.log(n_tokens + 1) + 0.5772
    clipped = np.where(ranks < 0, n_tokens, ranks)
    estimated: FloatArray = 1.0 / ((clipped + 2) * harmonic)
    return estimated


def inverse_document_frequency(n_texts: int, texts_with: FloatArray) -> FloatArray:
    """Return IDF weights: ``ln((1 + n) / (1 + n_with)) + 1`` for a token in n_with of n texts."""
    weights: FloatArray = np.log((1.0 + n_texts) / (1.0 + texts_with)) + 1.0
    return weights


def unit_groups(pooled: FloatArray, groups: Groups) -> FloatArray:
    """Scale each column group of each row to length 1. Rows of zeros stay zeros."""
    scaled: FloatArray = pooled.copy()
    start = 0
    for _, width in groups:
        part = scaled[:, start : start + width]
        part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        start += width
    return scaled
