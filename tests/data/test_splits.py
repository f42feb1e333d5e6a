import numpy as np
import pyarrow as pa
import pytest

from nlptl.base.errors import InputError
from nlptl.data.splits import (
    codes_split,
    group_split,
    k_shot,
    nested_order,
    number_split,
    sampled_folds,
    stratified_folds,
    stratified_sample,
    stratified_split,
)

LABELS = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


def test_shots_are_the_draw_that_everyone_makes():
    labels = np.array(["b", "a", "b", "a", "a", "b"])
    rng = np.random.default_rng(4)
    by_hand = [rng.choice(np.flatnonzero(labels == c), size=2, replace=False) for c in "ab"]
    np.testing.assert_array_equal(k_shot(labels.tolist(), 2, seed=4), np.concatenate(by_hand))


def test_too_few_rows_for_the_shots_are_named():
    with pytest.raises(InputError, match="Class 'c' has 10 rows, fewer than shots=11"):
        k_shot(LABELS, 11, seed=0)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_a_split_keeps_the_proportions_and_loses_no_row(share):
    train, test = stratified_split(LABELS, test_share=share, seed=1)
    assert sorted([*train, *test]) == list(range(100))
    for name, n in (("a", 60), ("b", 30), ("c", 10)):
        inside = sum(LABELS[i] == name for i in test)
        assert abs(inside - n * share) <= 1


def test_the_same_seed_splits_alike_and_a_lonely_class_stays_in_training():
    labels = [*LABELS, "alone"]
    first, second = (stratified_split(labels, seed=s)[1].tolist() for s in (3, 3))
    assert first == second
    assert all(100 not in stratified_split(labels, test_share=0.9, seed=s)[1] for s in range(9))
    assert first != stratified_split(labels, seed=4)[1].tolist()


def test_a_share_outside_its_bounds_is_refused():
    with pytest.raises(InputError, match=r"between 0 and 1, got 1\.5"):
        stratified_split(LABELS, test_share=1.5)


def test_no_group_is_on_both_sides():
    groups = np.repeat(np.arange(20), 5)
    train, test = group_split(groups, test_share=0.25, seed=0)
    assert not set(groups[train]) & set(groups[test])
    assert len(set(groups[test])) == 5
    with pytest.raises(InputError, match="at least two groups"):
        group_split([1, 1, 1])


def test_folds_spread_every_class_and_accept_lonely_ones():
    codes = np.array([0] * 50 + [1] * 25 + [2])
    folds = stratified_folds(codes, 5, seed=0)
    for fold in range(5):
        assert (codes[folds == fold] == 0).sum() == 10
        assert (codes[folds == fold] == 1).sum() == 5


def test_folds_spread_the_rarest_of_several_labels():
    codes = np.zeros((100, 3), dtype=int)
    codes[:, 0] = 1
    codes[:10, 2] = 1
    folds = stratified_folds(codes, 5, seed=0)
    assert [(codes[folds == fold, 2] == 1).sum() for fold in range(5)] == [2] * 5


def test_a_sample_is_of_the_size_asked_for_and_stratified():
    codes = np.repeat([0, 1], [800, 200])
    some = stratified_sample(codes, 100, seed=0)
    assert len(some) == 100
    assert (codes[some] == 1).sum() == 20
    assert stratified_sample(codes, 5000, seed=0).tolist() == list(range(1000))


def test_shots_must_be_positive_and_rows_have_one_label():
    with pytest.raises(InputError, match="shots must be at least 1, got -1"):
        k_shot(["a", "b"], -1, seed=0)
    with pytest.raises(InputError, match="Label at row 0"):
        k_shot([["a"], ["a", "b"]], 1, seed=0)
    assert len(k_shot([("a",), ("a", "b")], 1, seed=0)) == 2


def test_numbers_are_dealt_so_that_every_fold_has_small_and_large_ones():
    numbers = np.random.default_rng(0).normal(size=100)
    folds = stratified_folds(numbers, 5, seed=1)
    assert np.bincount(folds).tolist() == [20] * 5
    ranks = np.argsort(np.argsort(numbers))
    for fold in range(5):
        assert np.bincount(ranks[folds == fold] // 20).tolist() == [4] * 5
    assert not np.array_equal(folds, stratified_folds(numbers, 5, seed=2))
    some = stratified_sample(numbers, 20, seed=0)
    assert np.bincount(ranks[some] // 20).tolist() == [4] * 5


def test_a_split_of_numbers_has_small_and_large_ones_on_both_sides():
    numbers = np.random.default_rng(0).normal(size=100)
    train, test = number_split(numbers, test_share=0.2, seed=3)
    assert len(test) == 20
    assert sorted([*train, *test]) == list(range(100))
    ranks = np.argsort(np.argsort(numbers))
    assert np.bincount(ranks[test] // 20).tolist() == [4] * 5
    assert not np.array_equal(test, number_split(numbers, test_share=0.2, seed=4)[1])
    with pytest.raises(InputError, match="got 1.5"):
        number_split(numbers, test_share=1.5)


def test_labels_are_read_once_from_any_container():
    expected = k_shot(LABELS, 2, seed=0).tolist()
    assert k_shot(iter(LABELS), 2, seed=0).tolist() == expected
    assert k_shot(pa.array(LABELS), 2, seed=0).tolist() == expected
    assert len(stratified_split(iter(LABELS))[0]) == 80


def test_folds_of_a_sample_have_all_classes():
    codes = np.array([0] * 60 + [1] * 30 + [2] * 10)
    rows, folds = sampled_folds(codes, 5, max_rows=50, seed=0)
    assert len(rows) == len(folds) == 50 and set(folds.tolist()) == set(range(5))
    for fold in range(5):
        assert set(codes[rows[folds == fold]].tolist()) == {0, 1, 2}
    few, halves = sampled_folds(np.array([0, 0, 1, 1]), 5, max_rows=50, seed=0)
    assert len(few) == 4 and set(halves.tolist()) == {0, 1}


def test_each_beginning_of_a_nested_order_has_the_class_proportions():
    codes = np.repeat([0, 1, 2], [60, 30, 10])
    order = nested_order(codes, seed=3)
    assert sorted(order.tolist()) == list(range(100))
    assert set(codes[order][:3].tolist()) == {0, 1, 2}
    for size in (20, 40, 80):
        counts = np.bincount(codes[order][:size], minlength=3)
        assert np.abs(counts - size * np.array([0.6, 0.3, 0.1])).max() <= 2
    assert not np.array_equal(order, nested_order(codes, seed=4))


def test_rows_with_several_labels_are_split_by_their_rarest_label():
    codes = np.zeros((100, 3), np.int64)
    codes[:, 0] = 1
    codes[:20, 1] = 1
    codes[:4, 2] = 1
    train, test = codes_split(codes, test_share=0.25, seed=0)
    assert sorted([*train, *test]) == list(range(100)) and len(test) == 25
    assert codes[test].sum(axis=0).tolist() == [25, 5, 1]
    assert nested_order(codes, seed=0)[:3].min() < 4  # the rarest label is among the first rows
