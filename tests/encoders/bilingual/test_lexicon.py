import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nlptl.encoders.bilingual import lexicon
from nlptl.encoders.bilingual.lexicon import mean_vectors, translations


@pytest.fixture(scope="module")
def corpus():
    """Sentences of 30 words; a translation has each word plus 30, in another order, and a 60."""
    rng = np.random.default_rng(0)
    sentences = [list(rng.choice(30, size=int(n), replace=False)) for n in rng.integers(2, 8, 900)]
    others = [[*(int(word) + 30 for word in rng.permutation(one)), 60] for one in sentences]
    return sentences, others


def test_words_are_translated_by_what_comes_with_them_everywhere(corpus):
    counts = translations(*corpus, n_words=30, n_others=61).toarray()
    np.testing.assert_array_equal(counts[30:60].argmax(axis=1), np.arange(30))
    times = np.array([sum(word in one for one in corpus[0]) for word in range(30)])
    np.testing.assert_allclose(counts[30:60].max(axis=1) / times, 1, atol=0.1)
    assert not counts[:30].any()


def test_a_word_that_is_everywhere_stands_for_none(corpus):
    counts = translations(*corpus, n_words=30, n_others=61)
    assert counts[60].sum() < 0.5 * len(corpus[0])


def test_more_rounds_are_surer(corpus):
    once, often = (
        translations(*corpus, n_words=30, n_others=61, rounds=n).toarray() for n in (1, 6)
    )
    share = [one[30:60].max(axis=1).sum() / one[30:60].sum() for one in (once, often)]
    assert share[0] < 0.7 < 0.95 < share[1]


def test_a_word_counts_once_a_sentence_and_late_ones_are_not_read():
    counts = translations([[0, 0, 1]], [[2, 2]], n_words=2, n_others=3, rounds=1).toarray()
    np.testing.assert_allclose(counts[2], [1 / 3, 1 / 3])
    late = translations([[0] * 64 + [1]], [[2]], n_words=2, n_others=3, rounds=1).toarray()
    np.testing.assert_allclose(late[2], [1 / 2, 0])


def test_memory_is_bounded_by_leaving_sentences_out(corpus, monkeypatch):
    whole = translations(*corpus, n_words=30, n_others=61).sum()
    monkeypatch.setattr(lexicon, "_MAX_ENTRIES", 100)
    assert 0 < translations(*corpus, n_words=30, n_others=61).sum() < 0.1 * whole


def test_nothing_comes_of_nothing():
    assert translations([], [], n_words=3, n_others=4).shape == (4, 3)
    assert translations([[1]], [[]], n_words=3, n_others=4).nnz == 0


def test_means_are_weighed_by_counts():
    counts = csr_matrix([[3.0, 1.0], [0.0, 0.0]])
    means, known = mean_vectors(counts, np.array([[1.0, 0.0], [0.0, 4.0]]))
    np.testing.assert_allclose(means, [[0.75, 1.0], [0.0, 0.0]])
    assert known.tolist() == [True, False]
