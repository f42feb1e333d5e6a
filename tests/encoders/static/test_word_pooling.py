import numpy as np
import pytest

from nlptl.encoders.static.tokens import TokenBatch
from nlptl.encoders.static.word_pooling import (
    POOLINGS,
    inverse_document_frequency,
    sif_weights,
    unit_groups,
    weighted_mean,
    zipf_probability,
)

BATCH = TokenBatch(
    tokens=["a", "b", "zebra"],
    vectors=np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=np.float32),
    ranks=np.array([0, 1, -1]),
    has_vector=np.array([True, True, False]),
    places=np.array([0, 0, 1, 2, 2]),
    bounds=np.array([0, 3, 4, 4, 5]),
)


@pytest.mark.parametrize(
    ("name", "first"), [("mean", [2 / 3, 2 / 3]), ("max", [1, 2]), ("sif", [0.4, 1.2])]
)
def test_tokens_become_a_vector_a_text(name, first):
    found = POOLINGS[name](BATCH, np.array([1.0, 3.0, 9.0]))
    np.testing.assert_allclose(found[0], first, rtol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_a_text_without_known_words_is_all_zeros(name):
    found = POOLINGS[name](BATCH, np.ones(3))
    assert not found[1].any()
    assert not found[2].any()
    assert not found[3].any()


def test_a_word_without_weight_does_not_count():
    np.testing.assert_allclose(weighted_mean(BATCH, np.array([0, 1, 1]))[0], [0, 2], rtol=1e-6)


def test_frequent_words_weigh_less():
    share = zipf_probability(np.array([0, 9, 99, -1]), 100)
    assert share[0] > share[1] > share[2] > share[3] > 0
    assert zipf_probability(np.arange(100), 100).sum() == pytest.approx(1, abs=0.3)
    weights = sif_weights(share)
    assert weights[0] < weights[1] < weights[2] < weights[3] < 1
    assert inverse_document_frequency(9, np.array([9.0, 0.0])).tolist() == [
        1.0,
        pytest.approx(np.log(10) + 1),
    ]


def test_groups_have_length_one_each():
    found = unit_groups(np.array([[3.0, 4.0, 2.0], [0, 0, 5]]), (("x", 2), ("y", 1)))
    np.testing.assert_allclose(found, [[0.6, 0.8, 1], [0, 0, 1]])
