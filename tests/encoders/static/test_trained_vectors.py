import numpy as np
import pytest

from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders import OwnVectors, StaticEncoder

TEXTS = ["the cat sat on the mat", "the dog sat on the rug", "cats and dogs"] * 10


@pytest.mark.parametrize("method", ["word2vec", "fasttext"])
def test_vectors_are_trained_on_own_text_and_repeatable(method):
    first, second = (OwnVectors(method, dimension=8, epochs=2).learn(TEXTS) for _ in range(2))
    assert first.dim == 8
    assert "cat" in first.tokens
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_fasttext_knows_words_it_has_not_seen():
    encoder = StaticEncoder(OwnVectors("fasttext", dimension=8, epochs=1)).fit(TEXTS)
    assert encoder.transform(["catlike doggy"]).any()
    assert encoder.coverage(["catlike doggy"]).tokens == 1.0


def test_neighbours_share_a_meaning():
    # Words that stand in the same places become neighbours.
    texts = [f"i eat {food} today" for food in ("bread", "rice", "soup")] * 200
    texts += [f"we drive {thing} fast" for thing in ("cars", "vans", "bikes")] * 200
    store = OwnVectors(dimension=16, epochs=20).learn(texts)
    words = store.keyed_vectors()
    assert words.similarity("bread", "rice") > words.similarity("bread", "cars") + 0.3
    assert words.similarity("vans", "bikes") > words.similarity("soup", "bikes") + 0.3


def test_before_fit_there_are_no_vectors():
    with pytest.raises(InputError, match="Use the encoder that fit"):
        StaticEncoder(OwnVectors()).transform(["a"])


def test_nothing_frequent_enough_and_unknown_methods_are_named():
    with pytest.raises(InputError, match="at least 50 times, but none of .* 30 texts"):
        OwnVectors(min_count=50).learn(TEXTS)
    with pytest.raises(ConfigError, match="Did you mean 'word2vec'"):
        OwnVectors("wordvec")


def test_own_words_keep_their_marks_and_are_composed():
    store = OwnVectors(dimension=4, epochs=1, min_count=1).learn(["हिन्दी the\u0301 İzmir"])
    assert sorted(store.tokens) == sorted(["हिन्दी", "thé", "izmir"])
