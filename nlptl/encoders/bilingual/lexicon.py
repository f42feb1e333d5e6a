"""What the words of one language are translated by, learnt from pairs of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from nlptl.base.arrays import FloatArray, IntArray

_MAX_WORDS = 64
_MAX_ENTRIES = 30_000_000
"""Pairs of words looked at, over all sentences: about three gigabytes."""


def translations(
    sentences: Sequence[Sequence[int]],
    others: Sequence[Sequence[int]],
    *,
    n_words: int,
    n_others: int,
    rounds: int = 5,
) -> csr_matrix:
    """Count how often each word of one language stands for each of another.

    By the first model of Brown et al. [1]_: each word of a sentence was made by one word of its
    translation, or by none; which one is told from all pairs at once, by expectation
    maximisation. A word counts once a sentence.

    Parameters
    ----------
    sentences : sequence of sequence of int, length n
        Words below ``n_words`` by their numbers; those past the 64th are not read, and no more
        sentences than memory allows: the first ones.
    others : sequence of sequence of int, length n
        Their translations, words below ``n_others``.
    n_words, n_others : int
    rounds : int
        Of expectation and maximisation, at least 1.

    Returns
    -------
    csr_matrix of shape (n_others, n_words)
        Expected counts: rows that sum to less than the sentences with that word, for some of it
        was made by none.

    References
    ----------
    .. [1] Brown et al., "The Mathematics of Statistical Machine Translation: Parameter
       Estimation", Computational Linguistics 19(2), 1993.
    """
    links, place, first = _links(sentences, others, n_words)
    if not len(links):
        return csr_matrix((n_others, n_words))
    maker, made = links % (n_words + 1), links // (n_words + 1)
    sizes = np.diff(np.append(first, len(place)))
    chance: Any = np.ones(len(links))
    counts: Any = chance
    for _ in range(rounds):
        shares = chance[place]
        shares /= np.repeat(np.add.reduceat(shares, first), sizes)
        counts = np.bincount(place, weights=shares, minlength=len(links))
        chance = counts / np.bincount(maker, weights=counts)[maker]
    real = maker < n_words
    table = (counts[real], (made[real], maker[real]))
    return csr_matrix(table, shape=(n_others, n_words))


def _links(
    sentences: Sequence[Sequence[int]], others: Sequence[Sequence[int]], n_words: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Pair every word of a sentence, and the word that stands for none, with every other.

    Returns
    -------
    links : ndarray of shape (n_links,)
        The pairs that occur, ascending, as one number each.
    place : ndarray of shape (n_entries,)
        Which of them, for each pair of words in each pair of sentences.
    first : ndarray of shape (n_made,)
        Where the entries of each word of each translation begin.
    """
    entries: list[IntArray] = []
    starts: list[IntArray] = []
    done = 0
    for sentence, other in zip(sentences, others, strict=True):
        makers = np.append(np.unique(np.asarray(sentence[:_MAX_WORDS], np.int64)), n_words)
        made = np.unique(np.asarray(other[:_MAX_WORDS], np.int64))
        entries.append((made[:, None] * (n_words + 1) + makers).ravel())
        starts.append(done + np.arange(len(made)) * len(makers))
        done += len(made) * len(makers)
        if done > _MAX_ENTRIES:
            break
    if not done:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    whole = np.concatenate(entries)
    entries.clear()
    links, place = np.unique(whole, return_inverse=True)
    return links, place.astype(np.int32), np.concatenate(starts)


def mean_vectors(counts: csr_matrix, vectors: FloatArray) -> tuple[FloatArray, Any]:
    """Give each row of counts the mean of the vectors that it counts.

    Parameters
    ----------
    counts : csr_matrix of shape (n, n_vectors)
    vectors : ndarray of shape (n_vectors, dim)

    Returns
    -------
    means : ndarray of shape (n, dim)
        Zero where nothing was counted.
    known : ndarray of shape (n,), bool
        Where something was.
    """
    total = np.asarray(counts.sum(axis=1)).ravel()
    means = (counts @ vectors) / np.maximum(total, 1e-12)[:, None]
    return means.astype(np.float32), total > 0
