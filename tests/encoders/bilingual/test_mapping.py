import numpy as np
import pytest
from sklearn.preprocessing import normalize

from nlptl.encoders.bilingual.mapping import Centring, WordMap, rotation_between


@pytest.fixture
def turn():
    return np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]


def test_a_rotation_is_found_again_and_keeps_angles(turn):
    rng = np.random.default_rng(1)
    source = rng.normal(size=(60, 12))
    target = source @ turn
    found = rotation_between(source, target)
    np.testing.assert_allclose(found, turn, atol=1e-9)
    noisy = rotation_between(source, target + rng.normal(size=target.shape))
    np.testing.assert_allclose(noisy @ noisy.T, np.eye(12), atol=1e-9)


def test_spaces_of_other_sizes_are_joined_too():
    rng = np.random.default_rng(3)
    found = rotation_between(rng.normal(size=(50, 6)), rng.normal(size=(50, 9)))
    assert found.shape == (6, 9)
    np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-9)
    back = rotation_between(rng.normal(size=(50, 9)), rng.normal(size=(50, 6)))
    assert back.shape == (9, 6)


def test_vectors_are_moved_with_their_middle_and_their_lengths(turn):
    rng = np.random.default_rng(4)
    source = rng.normal(size=(300, 12)) + 2
    target = 3 * (source @ turn)
    centrings = Centring.of(source), Centring.of(target)
    rotation = rotation_between(centrings[0](source), centrings[1](target))
    whole = WordMap(rotation, *centrings)
    assert whole.scale == pytest.approx(3)
    np.testing.assert_allclose(whole(source), target, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(whole.turned(source), 3 * (source @ rotation), rtol=1e-5)


def test_a_space_is_centred_on_vectors_of_length_one():
    vectors = np.random.default_rng(5).normal(size=(100, 4)) + 1
    centring = Centring.of(vectors)
    np.testing.assert_allclose(centring.mean, normalize(vectors).mean(axis=0))
    np.testing.assert_allclose(np.linalg.norm(centring(vectors), axis=1), 1)
    assert centring.length == pytest.approx(np.linalg.norm(vectors, axis=1).mean())
