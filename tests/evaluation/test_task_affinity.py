import numpy as np

from nlptl.evaluation.task_affinity import Affinity, groups_of

COSINES = np.array(
    [
        [1.0, 0.4, -0.2, 0.1],
        [0.4, 1.0, -0.3, 0.2],
        [-0.2, -0.3, 1.0, -0.1],
        [0.1, 0.2, -0.1, 1.0],
    ]
)
NAMES = ("a", "b", "c", "d")


def affinity():
    other = COSINES.copy()
    other[0, 2] = other[2, 0] = 0.1
    return Affinity(NAMES, np.stack([COSINES, other]))


def test_the_mean_and_the_conflicts_are_told_over_all_epochs():
    found = affinity()
    assert found.mean[0, 2] == -0.05
    conflicts = found.conflicts()
    assert conflicts["a", "b"] == 0 and conflicts["a", "c"] == 0.5 and conflicts["b", "c"] == 1
    assert len(conflicts) == 6


def test_tasks_whose_gradients_agree_come_together():
    assert groups_of(affinity()) == [["a", "b", "d"], ["c"]]


def test_a_task_that_is_kept_apart_joins_no_group():
    assert groups_of(affinity(), {"b"}) == [["a", "d"], ["b"], ["c"]]
    assert groups_of(affinity(), {"a", "b", "c"}) == [["a"], ["b"], ["c"], ["d"]]


def test_it_is_told_and_read_back_and_may_be_empty():
    found = Affinity.from_json(affinity().to_json())
    np.testing.assert_array_equal(found.cosines, affinity().cosines)
    empty = Affinity.from_json({"names": ["a", "b"], "cosines": []})
    np.testing.assert_array_equal(empty.mean, np.eye(2))
    assert groups_of(empty) == [["a"], ["b"]] and set(empty.conflicts().values()) == {0.0}
