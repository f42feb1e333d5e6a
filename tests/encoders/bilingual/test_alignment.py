import numpy as np
import pytest

from nlptl import StaticEncoder, TextClassifier
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders.bilingual.alignment import WordAlignment
from nlptl.encoders.static.vector_formats import Subwords, WordVectors
from nlptl.encoders.static.vector_store import VectorStore

N, DIM = 400, 24


def stores(noise=0.3, alike=60):
    """Two languages: the words of one are those of the other in another order, turned."""
    rng = np.random.default_rng(0)
    meanings = rng.normal(size=(N, DIM)) + 1
    turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    order = rng.permutation(N)
    other = (meanings @ turn + noise * rng.normal(size=(N, DIM)))[order]
    words = [f"w{i}" for i in range(N)]
    theirs = [f"w{i}" if i < alike else f"v{i}" for i in order]
    left = VectorStore.of_words(WordVectors(words, meanings.astype(np.float32)), name="left")
    right = VectorStore.of_words(WordVectors(theirs, other.astype(np.float32)), name="right")
    return left, right


def truth(rows, alike=60):
    return [(f"w{i}", f"w{i}" if i < alike else f"v{i}") for i in rows]


def test_a_dictionary_of_some_words_translates_the_others():
    left, right = stores()
    found = WordAlignment(rounds=0).learn(left, right, truth(range(60, 120)))
    hits, n_words = found.precision(truth(range(200, 400)))
    assert n_words == len(hits) == 200 and hits.mean() > 0.9
    assert found.history == () and found.pairs.identical == 0
    assert found.translate(["w300", "nonsense", "W301"]) == [["v300"], [], ["v301"]]
    assert [len(one) for one in found.translate(["w300"], n=3)] == [3]


def test_refinement_finds_pairs_that_a_small_dictionary_lacks():
    left, right = stores(noise=0.6)
    few = truth(range(60, 78))
    plain, _ = WordAlignment(rounds=0).learn(left, right, few).precision(truth(range(200, 400)))
    refined = WordAlignment(rounds=10).learn(left, right, few)
    better, _ = refined.precision(truth(range(200, 400)))
    assert better.mean() > plain.mean() + 0.2
    shares = [share for share, _ in refined.history]
    assert len(shares) > 1 and shares[1] > shares[0]


def test_refinement_stops_where_no_more_words_find_each_other():
    left, right = stores(noise=0.0)
    found = WordAlignment(rounds=50).learn(left, right, truth(range(60, 160)))
    assert len(found.history) == 2 and found.history[0][0] == 1.0


def test_words_spelt_alike_stand_in_for_a_dictionary():
    left, right = stores()
    found = WordAlignment().learn(left, right)
    assert found.pairs.identical == 1 and len(found.pairs) == 60
    assert found.precision(truth(range(200, 400)))[0].mean() > 0.9


def test_the_map_is_orthogonal():
    left, right = stores()
    rotation = WordAlignment().learn(left, right).map.rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(DIM), atol=1e-5)


def test_only_known_words_with_a_known_translation_are_counted():
    left, right = stores()
    found = WordAlignment(0).learn(left, right, truth(range(60, 120)))
    asked = [("w300", "v300"), ("w300", "v301"), ("w301", "missing"), ("missing", "v3")]
    hits, n_words = found.precision(asked)
    assert hits.tolist() == [1] and n_words == 3
    assert found.precision([("x", "y")])[0].tolist() == []


def test_moved_words_lie_where_their_translations_do():
    left, right = stores(noise=0.0)
    grams = Subwords(np.ones((5, DIM), np.float32), 3, 6)
    left = VectorStore(left.tokens, left.vectors, left.groups, grams, name="left")
    moved = WordAlignment(0).learn(left, right, truth(range(60, 300))).moved()
    order = [right.row_of[word] for _, word in truth(range(N))]
    np.testing.assert_allclose(moved.vectors, right.vectors[order], atol=0.05)
    assert moved.subwords.vectors.shape == (5, DIM) and "right" in moved.name
    assert list(moved.tokens) == list(left.tokens)


def test_what_cannot_be_aligned_is_refused():
    left, right = stores(alike=5)
    with pytest.raises(InputError, match=r"got 5 of 5 pairs"):
        WordAlignment().learn(left, right)
    with pytest.raises(InputError, match=r"got 0 of 1 pairs"):
        WordAlignment().learn(left, right, [("x", "y")])
    parts = VectorStore(left.tokens, left.vectors, left.groups, tokenizer="{}", name="parts")
    with pytest.raises(ConfigError, match="parts of words"):
        WordAlignment().learn(parts, right)
    for wrong in ({"rounds": -1}, {"most": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            WordAlignment(**wrong)


def texts_of(words, rng, n=120):
    """Texts of two topics: words of the first or the second half."""
    half = len(words) // 2
    topics = rng.integers(0, 2, n)
    texts = [" ".join(words[i] for i in rng.integers(t * half, (t + 1) * half, 9)) for t in topics]
    return texts, ["first" if t == 0 else "second" for t in topics]


def test_a_classifier_of_one_language_reads_the_other():
    left, right = stores()
    rng = np.random.default_rng(3)
    topic = np.where(np.arange(N) < N // 2, 1.5, -1.5)[:, None]  # what the topics differ by
    left = VectorStore.of_words(
        WordVectors(list(left.tokens), (left.vectors + topic).astype(np.float32)), name="left"
    )
    shift = np.array([1.5 if int(word[1:]) < N // 2 else -1.5 for word in right.tokens])[:, None]
    turned = -right.vectors - (shift * np.ones(DIM)) @ _turn()  # all the other way round
    right = VectorStore.of_words(
        WordVectors(list(right.tokens), turned.astype(np.float32)), name="right"
    )
    english = StaticEncoder(left, pooling="mean", cache=None)
    theirs = StaticEncoder(right, pooling="mean", cache=None)
    clf = TextClassifier(english).fit(*texts_of(list(left.tokens), rng))
    words = [word for _, word in truth(range(N))]
    texts, labels = texts_of(words, rng)
    reads = clf.with_encoder(theirs.align(english, [(b, a) for a, b in truth(range(60, 160))]))
    assert reads.score(texts, labels) > 0.95
    assert clf.with_encoder(theirs).score(texts, labels) < 0.2
    assert reads.encoder is not clf.encoder and clf.encoder is english
    with pytest.raises(ConfigError, match="24"):
        clf.with_encoder(StaticEncoder(right, pooling=("mean", "max"), cache=None))


def _turn():
    rng = np.random.default_rng(0)
    rng.normal(size=(N, DIM))
    return np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
