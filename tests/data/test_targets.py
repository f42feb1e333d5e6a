import numpy as np

from nlptl.data.targets import Targets


def test_codes_are_counted_taken_and_marked():
    targets = Targets(np.array([0, 2, 2]), 3, np.array([1.0, 2.0, 3.0]))
    assert targets.counts.tolist() == [1, 0, 2]
    assert targets.one_hot.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    some = targets.take(np.array([2, 0]))
    assert some.codes.tolist() == [2, 0]
    assert some.weights.tolist() == [3.0, 1.0]
    assert len(some) == 2
    assert not targets.several


def test_one_of_several_labels_is_a_task_of_its_own():
    targets = Targets(np.array([[1, 0], [1, 1]]), 2)
    label = targets.label(1)
    assert label.codes.tolist() == [0, 1]
    assert label.n_outputs == 2
    assert targets.counts.tolist() == [2, 1]


def test_numbers_are_one_column():
    targets = Targets(np.array([0.5, -1.5, 1.0]), 1)
    assert targets.numeric
    assert not targets.several
    assert targets.one_hot.tolist() == [[0.5], [-1.5], [1.0]]
    assert targets.take(np.array([2])).codes.tolist() == [1.0]
    assert not Targets(np.array([0, 1]), 2).numeric


def test_targets_follow_each_other_and_count_one_without_a_weight():
    plain, weighed = Targets(np.array([0, 1]), 2), Targets(np.array([1]), 2, np.array([0.5]))
    both = plain.followed_by(weighed)
    assert both.codes.tolist() == [0, 1, 1] and both.weights.tolist() == [1.0, 1.0, 0.5]
    assert plain.followed_by(plain).weights is None
