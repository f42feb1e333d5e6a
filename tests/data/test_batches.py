import numpy as np
import pytest

from nlptl.data.batches import alike, by_class, by_length, like_lengths, shuffled


@pytest.mark.parametrize("budget", [1, 7, 64, 10_000])
def test_every_row_is_in_one_batch_under_the_budget_longest_first(budget):
    lengths = np.random.default_rng(0).integers(1, 50, 200)
    batches = by_length(lengths, tokens_per_batch=budget)
    assert sorted(np.concatenate(batches)) == list(range(200))
    assert all(len(b) == 1 or len(b) * lengths[b].max() <= budget for b in batches)
    longest = [lengths[b].max() for b in batches]
    assert longest == sorted(longest, reverse=True)


def test_no_rows_are_no_batches():
    assert by_length(np.zeros(0, dtype=int), tokens_per_batch=8) == []


@pytest.mark.parametrize(("n", "size"), [(10, 4), (9, 4), (3, 8), (1, 4), (8, 4)])
def test_a_pass_visits_every_row_once_and_never_ends_on_a_single_row(n, size):
    batches = list(shuffled(n, size, rng=np.random.default_rng(0)))
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert n == 1 or min(map(len, batches)) > 1 or n % size != 1


def test_the_order_follows_the_generator():
    first, second, third = (
        np.concatenate(list(shuffled(50, 8, rng=np.random.default_rng(s)))).tolist()
        for s in (1, 1, 2)
    )
    assert first == second != third


@pytest.mark.parametrize("n", [1, 7, 64, 500])
def test_batches_of_like_length_lose_no_row_and_pad_little(n):
    lengths = np.random.default_rng(0).integers(1, 100, n)
    passes = [like_lengths(lengths, 8, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    for found in passes:
        assert sorted(np.concatenate(found).tolist()) == list(range(n))
        assert max(map(len, found)) <= 8
    assert [b.tolist() for b in passes[0]] == [b.tolist() for b in passes[1]]
    if n == 500:
        assert [b.tolist() for b in passes[0]] != [b.tolist() for b in passes[2]]
        spread = np.mean([np.ptp(lengths[batch]) for batch in passes[0]])
        assert spread < 0.2 * np.ptp(lengths)


@pytest.mark.parametrize(("n", "classes", "size"), [(32, 4, 64), (48, 6, 16), (616, 77, 64)])
def test_batches_by_class_hold_several_rows_of_each_of_their_classes(n, classes, size):
    codes = np.random.default_rng(0).permutation(np.arange(n) % classes)
    passes = [list(by_class(codes, size, rng=np.random.default_rng(seed))) for seed in (1, 1, 2)]
    for found in passes:
        assert sorted(np.concatenate(found).tolist()) == list(range(n))
        assert max(map(len, found)) <= size
        for batch in found:
            assert np.bincount(codes[batch])[np.unique(codes[batch])].min() >= 2
    assert [b.tolist() for b in passes[0]] == [b.tolist() for b in passes[1]]
    if n > size:
        assert [b.tolist() for b in passes[0]] != [b.tolist() for b in passes[2]]


def test_batches_by_class_take_a_row_by_its_rarest_label():
    codes = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]])
    found = list(by_class(codes, 2, rng=np.random.default_rng(0)))
    assert sorted(map(sorted, (b.tolist() for b in found)))[0] == [0, 2]
    assert sorted(np.concatenate(found).tolist()) == list(range(6))


def test_a_class_alone_in_its_batch_is_no_error():
    found = list(by_class(np.zeros(1, int), 8, rng=np.random.default_rng(0)))
    assert [batch.tolist() for batch in found] == [[0]]


@pytest.mark.parametrize("part_cost", [0, 20, 10_000])
def test_parts_of_like_length_hold_every_row_and_save_padding(part_cost):
    lengths = np.random.default_rng(0).integers(5, 250, 40)
    parts = alike(lengths, part_cost=part_cost)
    assert sorted(np.concatenate(parts)) == list(range(40))
    cost = sum(len(part) * lengths[part].max() + part_cost for part in parts)
    assert cost <= 40 * lengths.max() + part_cost  # all in one
    assert cost <= (lengths + part_cost).sum()  # each alone
    halves = np.array_split(np.argsort(lengths), 2)
    assert cost <= sum(len(half) * lengths[half].max() + part_cost for half in halves)
    longest = [lengths[part].max() for part in parts]
    assert longest == sorted(longest)


def test_rows_of_one_length_are_one_part():
    assert len(alike(np.full(9, 4), part_cost=1)) == 1
    assert [part.tolist() for part in alike(np.array([7]), part_cost=1)] == [[0]]
