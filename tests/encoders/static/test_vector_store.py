import mmap

import numpy as np

from nlptl.encoders.static.vector_formats import Subwords, WordVectors
from nlptl.encoders.static.vector_store import VectorStore


def made(n=5, d=4):
    vectors = np.arange(n * d, dtype=np.float32).reshape(n, d)
    grams = Subwords(np.ones((3, d), dtype=np.float32), 3, 6)
    found = WordVectors([f"wörd{i}" for i in range(n)], vectors, grams)
    return VectorStore.of_words(found, name="test")


def test_a_store_comes_back_as_a_memory_map(tmp_path):
    store = made()
    store.save(tmp_path)
    again = VectorStore.load(tmp_path)
    assert list(again.tokens) == list(store.tokens)
    assert again.groups == store.groups
    assert again.name == "test"
    assert isinstance(again.vectors, np.memmap)
    np.testing.assert_array_equal(again.vectors, store.vectors)
    np.testing.assert_array_equal(again.subwords.vectors, store.subwords.vectors)
    assert again.row_of["wörd3"] == 3


def test_gensim_shares_the_memory():
    store = made()
    keyed = store.keyed_vectors()
    np.testing.assert_array_equal(keyed["wörd2"], store.vectors[2])
    assert np.shares_memory(keyed.vectors, store.vectors)
    assert keyed.most_similar("wörd4", topn=1)[0][0] == "wörd3"


def test_vectors_are_mapped_and_not_read(tmp_path):
    words = WordVectors([f"word{i}" for i in range(40)], np.zeros((40, 100), dtype=np.float32))
    VectorStore.of_words(words, name="large").save(tmp_path)
    store = VectorStore.load(tmp_path)
    assert store.row_of["word39"] == 39
    base = store.vectors
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert isinstance(base, mmap.mmap)


def test_a_store_is_shown_without_its_words():
    assert repr(made()) == "VectorStore('test', 5 vectors of 4 dimensions)"


def test_a_token_with_a_line_feed_can_be_saved(tmp_path):
    words = WordVectors(["a", "\n", "b"], np.eye(3, dtype=np.float32))
    VectorStore.of_words(words, name="spaces").save(tmp_path)
    assert VectorStore.load(tmp_path).tokens[::2] == ["a", "b"]
