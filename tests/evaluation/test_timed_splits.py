import numpy as np

from nlptl.evaluation.timed_splits import TimedSplits

LABELS = ["a", "b"] * 10


def test_splits_end_when_time_is_up_but_not_before_the_second():
    clock = iter([True, True, False])
    assert len(list(TimedSplits(5, 4, goes_on=lambda: next(clock)).of(LABELS))) == 4
    assert len(list(TimedSplits(5, 4, goes_on=lambda: False).of(LABELS))) == 2
    assert len(list(TimedSplits(5, 4).of(LABELS))) == 20


def test_a_class_that_is_not_learnt_is_not_asked_for():
    labels = ["a"] * 6 + ["b"] * 6 + ["alone"]
    dealt = list(TimedSplits(3, 2).of(labels))
    assert len(dealt) == 6
    for seen, hidden in dealt:
        assert 12 not in hidden and len(hidden)
        assert len(np.intersect1d(seen, hidden)) == 0
    asked = [row for _, hidden in dealt for row in hidden.tolist()]
    assert sorted(asked) == sorted(2 * list(range(12)))


def test_one_row_a_class_leaves_nothing_to_ask():
    assert list(TimedSplits(3, 2).of(["a", "b", "c", "d"])) == []


def test_splits_that_would_learn_one_class_are_left_out():
    dealt = TimedSplits(2, 4).of(["a", "b", "a"])
    assert all(len({"aba"[row] for row in seen}) > 1 for seen, _ in dealt)


def test_several_labels_and_numbers_are_dealt_as_they_are():
    several = [["a"], ["b", "a"], [], ["c"]] * 3
    assert len(list(TimedSplits(3, 1).of(several))) == 3
    numbers = TimedSplits(3, 1).of(np.arange(9.0), numeric=True)
    assert sorted(np.concatenate([hidden for _, hidden in numbers])) == list(range(9))


def test_a_list_with_a_label_that_is_not_in_the_training_rows_is_left_out():
    labels = [["a"], ["a", "b"], ["b"], []] * 3 + [["a", "rare"]]
    splits = list(TimedSplits(3, 2).of(labels))
    assert len(splits) == 6
    assert all(12 not in test for _, test in splits)
    tested = [row for _, test in splits for row in test.tolist()]
    assert sorted(tested) == sorted(2 * list(range(12)))
