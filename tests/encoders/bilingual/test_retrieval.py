import numpy as np
import pytest

from nlptl.encoders.bilingual.retrieval import crowding, mutual, nearest, unit


def test_rows_get_length_one_and_zeros_stay():
    found = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]])


def test_the_nearest_come_in_order():
    keys = unit(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    places, scores = nearest(np.array([[1.0, 0.1]]), keys, n=3)
    assert places.tolist() == [[0, 1, 2]] and (np.diff(scores[0]) < 0).all()
    assert nearest(np.zeros((0, 2)), keys)[0].shape == (0, 1)
    assert nearest(keys, keys, n=9)[0].shape == (3, 3)


def test_crowding_is_the_mean_cosine_to_the_nearest():
    others = unit(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    found = crowding(np.array([[1.0, 0.0]]), others, k=2)
    assert found[0] == pytest.approx((1 + np.sqrt(0.5)) / 2)
    assert crowding(others, others, k=10) == pytest.approx((others @ others.T).mean(axis=1))


def test_a_hub_that_is_near_to_all_is_held_back():
    """Each query has a partner of its own, and a key between all is a little nearer."""
    rng = np.random.default_rng(0)
    middle = unit(np.ones((1, 20)))
    queries = unit(middle + 0.9 * unit(rng.normal(size=(30, 20))))
    partners = unit(queries + 0.9 * unit(rng.normal(size=(30, 20))))
    keys = np.concatenate([partners, middle])
    plain = nearest(queries, keys)[0][:, 0]
    held = nearest(queries, keys, hubs=crowding(keys, queries))[0][:, 0]
    right = np.arange(30)
    assert (plain == 30).mean() > 0.2 and (held == 30).mean() < 0.1
    assert (held == right).mean() > (plain == right).mean() + 0.1


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    left, right = (unit(rng.normal(size=(50, 8))) for _ in range(2))
    whole = nearest(left, right, n=4), crowding(left, right), mutual(left, right)
    monkeypatch.setattr("nlptl.encoders.bilingual.retrieval._BLOCK", 7)
    again = nearest(left, right, n=4), crowding(left, right), mutual(left, right)
    np.testing.assert_array_equal(whole[0][0], again[0][0])
    np.testing.assert_allclose(whole[1], again[1])
    np.testing.assert_array_equal(whole[2], again[2])


def test_pairs_that_choose_each_other_are_found():
    rng = np.random.default_rng(2)
    left = unit(rng.normal(size=(40, 16)))
    order = rng.permutation(40)
    own, other = mutual(left, left[order])
    assert len(own) == 40 and (order[other] == own).all()
