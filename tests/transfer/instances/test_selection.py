import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nlptl.base.errors import ConfigError
from nlptl.transfer.instances.selection import choose_rows


@pytest.fixture
def rows():
    """Four tight clouds, of which the classifier is unsure about two."""
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    vectors = np.repeat(centres, 25, axis=0) + rng.normal(size=(100, 2)) * 0.1
    sure = np.repeat([0.9999, 0.55, 0.9998, 0.6], 25)
    return vectors, np.stack([sure, 1 - sure], axis=1)


def test_uncertain_rows_are_those_of_the_smallest_lead(rows):
    vectors, probabilities = rows
    found = choose_rows(vectors, probabilities, 25, strategy="uncertain")
    assert sorted(found.tolist()) == list(range(25, 50))


def test_diverse_rows_come_from_every_cloud(rows):
    found = choose_rows(*rows, 4, strategy="diverse")
    assert sorted((found // 25).tolist()) == [0, 1, 2, 3]


def test_both_spreads_over_the_rows_it_is_unsure_about(rows):
    vectors, probabilities = rows
    hits = []
    for seed in range(20):
        found = choose_rows(vectors, probabilities, 10, seed=seed)
        hits.append(set((found // 25).tolist()) == {1, 3})
    assert np.mean(hits) > 0.9


def test_rows_are_drawn_by_their_distance_to_those_drawn(rows):
    vectors, probabilities = rows
    draws = [choose_rows(vectors, probabilities, 2, strategy="diverse", seed=s) for s in range(300)]
    seconds = [draw[1] for draw in draws]
    away = ((vectors - vectors[0]) ** 2).sum(axis=1)
    wanted = away.reshape(4, 25).sum(axis=1) / away.sum()
    found = np.bincount(np.array(seconds) // 25, minlength=4) / 300
    np.testing.assert_allclose(found, wanted, atol=0.1)


@pytest.mark.parametrize("strategy", ["both", "uncertain", "diverse"])
def test_no_row_is_chosen_twice_even_where_rows_repeat(strategy):
    vectors, probabilities = np.ones((6, 3)), np.full((6, 2), 0.5)
    found = choose_rows(vectors, probabilities, 9, strategy=strategy)
    assert sorted(found.tolist()) == list(range(6))


def test_bad_choices_are_refused(rows):
    with pytest.raises(ConfigError, match="Did you mean 'diverse'"):
        choose_rows(*rows, 2, strategy="divers")
    with pytest.raises(ConfigError, match="n must be at least 1"):
        choose_rows(*rows, 0)


def test_sparse_rows_are_chosen_as_dense_ones_are(rows):
    vectors, probabilities = rows
    dense = choose_rows(vectors, probabilities, 12, seed=4)
    assert choose_rows(csr_matrix(vectors), probabilities, 12, seed=4).tolist() == dense.tolist()


def test_of_several_labels_the_one_nearest_its_threshold_counts():
    probabilities = np.array([[0.99, 0.985, 0.01], [0.9, 0.31, 0.0], [0.52, 0.0, 0.0]])
    given = {"strategy": "uncertain", "thresholds": np.array([0.5, 0.3, 0.5])}
    found = choose_rows(np.eye(3), probabilities, 3, **given)
    assert found.tolist() == [1, 2, 0]
