"""Translation counts of words, estimated from sentence pairs with IBM Model 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from nlptl.base.arrays import FloatArray, IntArray

_MAX_WORDS = 64
_MAX_ENTRIES = 30_000_000
"""Maximum number of word pairs over all sentences. They take about three gigabytes."""


def translations(
    sentences: Sequence[Sequence[int]],
    others: Sequence[Sequence[int]],
    *,
    n_words: int,
    n_others: int,
    rounds: int = 5,
) -> csr_matrix:
    """Count how often each word of one language translates each word of the other.

    This is the first model of Brown et al. (IBM Model 1) [1]_. Each word of ``others`` is generated
    by one word of ``sentences``, or by no word. Expectation maximisation over all sentence pairs
    estimates which. A word counts once per sentence.

    Parameters
    ----------
    sentences : sequence of sequence of int, length n
        Word numbers below ``n_words``. Words after the 64th of a sentence are ignored. If memory
        does not allow all sentences, only the first ones are used.
    others : sequence of sequence of int, length n
        Translations of the sentences, as word numbers below ``n_others``.
    n_words, n_others : int
        Sizes of the two vocabularies.
    rounds : int
        Number of rounds of expectation maximisation, at least 1.

    Returns
    -------
    csr_matrix of shape (n_others, n_words)
        Expected counts. A row sums to less than the number of sentences with that word, because
        part of its count goes to no word.

    References
    ----------
    .. [1] Brown et al., "The Mathematics of Statistical Machine Translation: Parameter
       Estimation", Computational Linguistics 19(2), 1993.
    """
    links, link_of_entry, first = _links(sentences, others, n_words)
    if not len(links):
        return csr_matrix((n_others, n_words))
    word, other = links % (n_words + 1), links // (n_words + 1)
    sizes = np.diff(np.append(first, len(link_of_entry)))
    probability: Any = np.ones(len(links))
    counts: Any = probability
    for _ in range(rounds):
        shares = probability[link_of_entry]
        shares /= np.repeat(np.add.reduceat(shares, first), sizes)
        counts = np.bincount(link_of_entry, weights=shares, minlength=len(links))
        probability = counts / np.bincount(word, weights=counts)[word]
    is_word = word < n_words
    table = (counts[is_word], (other[is_word], word[is_word]))
    return csr_matrix(table, shape=(n_others, n_words))


def _links(
    sentences: Sequence[Sequence[int]], others: Sequence[Sequence[int]], n_words: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Pair every word of each sentence, and the empty word, with every word of its translation.

    Returns
    -------
    links : ndarray of shape (n_links,)
        The distinct word pairs in ascending order, each encoded as one number.
    link_of_entry : ndarray of shape (n_entries,)
        Index into ``links`` for each word pair of each sentence pair.
    first : ndarray of shape (n_translated_words,)
        Index of the first entry of each word of each translation.
    """
    entries: list[IntArray] = []
    starts: list[IntArray] = []
    n_entries = 0
    for sentence, translation in zip(sentences, others, strict=True):
        words = np.append(np.unique(np.asarray(sentence[:_MAX_WORDS], np.int64)), n_words)
        translated = np.unique(np.asarray(translation[:_MAX_WORDS], np.int64))
        entries.append((translated[:, None] * (n_words + 1) + words).ravel())
        starts.append(n_entries + np.arange(len(translated)) * len(words))
        n_entries += len(translated) * len(words)
        if n_entries > _MAX_ENTRIES:
            break
    if not n_entries:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    all_entries = np.concatenate(entries)
    entries.clear()
    links, link_of_entry = np.unique(all_entries, return_inverse=True)
    return links, link_of_entry.astype(np.int32), np.concatenate(starts)


def mean_vectors(counts: csr_matrix, vectors: FloatArray) -> tuple[FloatArray, Any]:
    """Return the mean of the vectors for each row, weighted by the counts of the row.

    Parameters
    ----------
    counts : csr_matrix of shape (n, n_vectors)
    vectors : ndarray of shape (n_vectors, dim)

    Returns
    -------
    means : ndarray of shape (n, dim)
        Zero for a row without counts.
    has_counts : ndarray of shape (n,), bool
        True for a row with counts.
    """
    total = np.asarray(counts.sum(axis=1)).ravel()
    means = (counts @ vectors) / np.maximum(total, 1e-12)[:, None]
    return means.astype(np.float32), total > 0
