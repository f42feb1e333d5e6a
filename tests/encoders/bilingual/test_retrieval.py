import numpy as np
import pytest
from sklearn.preprocessing import normalize

from nlptl.encoders.bilingual.retrieval import crowding, mutual, nearest, share_found


def test_the_nearest_come_in_order():
    keys = normalize(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    places, scores = nearest(np.array([[1.0, 0.1]]), keys, n=3)
    assert places.tolist() == [[0, 1, 2]] and (np.diff(scores[0]) < 0).all()
    assert nearest(np.zeros((0, 2)), keys)[0].shape == (0, 1)
    assert nearest(keys, keys, n=9)[0].shape == (3, 3)


def test_crowding_is_the_mean_cosine_to_the_nearest(monkeypatch):
    others = normalize(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    assert crowding(others, others) == pytest.approx((others @ others.T).mean(axis=1))
    monkeypatch.setattr("nlptl.encoders.bilingual.retrieval._N_NEIGHBOURS", 2)
    found = crowding(np.array([[1.0, 0.0]]), others)
    assert found[0] == pytest.approx((1 + np.sqrt(0.5)) / 2)


def test_keys_of_one_text_count_as_one():
    keys = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert share_found(keys, keys, ["a", "a", "b"]) == 1.0
    assert share_found(keys, keys, ["a", "other", "b"]) == pytest.approx(2 / 3)


def test_a_hub_that_is_near_to_all_is_held_back():
    """Each query has a partner of its own, and a key between all is a little nearer."""
    rng = np.random.default_rng(0)
    middle = normalize(np.ones((1, 20)))
    queries = normalize(middle + 0.9 * normalize(rng.normal(size=(30, 20))))
    partners = normalize(queries + 0.9 * normalize(rng.normal(size=(30, 20))))
    keys = np.concatenate([partners, middle])
    plain = nearest(queries, keys)[0][:, 0]
    held = nearest(queries, keys, hubs=crowding(keys, queries))[0][:, 0]
    right = np.arange(30)
    assert (plain == 30).mean() > 0.2 and (held == 30).mean() < 0.1
    assert (held == right).mean() > (plain == right).mean() + 0.1


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    left, right = (normalize(rng.normal(size=(50, 8))) for _ in range(2))
    whole = nearest(left, right, n=4), crowding(left, right), mutual(left, right)
    monkeypatch.setattr("nlptl.encoders.bilingual.retrieval._BLOCK", 7)
    again = nearest(left, right, n=4), crowding(left, right), mutual(left, right)
    np.testing.assert_array_equal(whole[0][0], again[0][0])
    np.testing.assert_allclose(whole[1], again[1])
    np.testing.assert_array_equal(whole[2], again[2])


def test_pairs_that_choose_each_other_are_found():
    rng = np.random.default_rng(2)
    left = normalize(rng.normal(size=(40, 16)))
    order = rng.permutation(40)
    own, other = mutual(left, left[order])
    assert len(own) == 40 and (order[other] == own).all()
