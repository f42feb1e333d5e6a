import numpy as np
import pytest

from nlptl import Mixing
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_network import LabelledWindows
from nlptl.training.tasks.task_feed import TasksFeed

SIZES = {"a": 40, "b": 12, "c": 3}
MIXES = [Mixing(way) for way in ("temperature", "proportional", "uniform", "round_robin")]
MIXES += [Mixing("annealed"), Mixing(mixed=True)]


def windows_of(ids):
    return Windows(ids, np.arange(len(ids)), np.array([len(own) for own in ids]))


def rows_of(n, first):
    """Rows whose first token tells them apart."""
    ids = [[first + i, *range(i % 4)] for i in range(n)]
    return LabelledWindows(windows_of(ids), Targets(np.arange(n) % 2, 2), 0)


@pytest.fixture
def tasks():
    return {name: rows_of(n, 1000 * i) for i, (name, n) in enumerate(SIZES.items(), 1)}


def feed_of(tasks, mixing, rank=0, n_ranks=1, **how):
    config = LoopConfig(epochs=4, batch_size=4)
    return TasksFeed(tasks, config, mixing, 7, rank, n_ranks, "cpu", **how)


def seen(feed, n_steps, first=0):
    """List the rows of each step, of a task, with what they count."""
    found = []
    for step in range(first, n_steps):
        counted = []
        for batches, _ in feed.passes(*divmod(step, len(feed))):
            for name, batch in batches.items():
                ids = [int(i) for part in batch.inputs for i in part["input_ids"][:, 0]]
                pairs = zip(ids, batch.weights.tolist(), strict=True)
                counted += [(name, i, round(w, 6)) for i, w in pairs if w]
        found.append(sorted(counted))
    return found


@pytest.mark.parametrize("mixing", MIXES, ids=repr)
def test_processes_together_see_the_rows_that_one_sees(tasks, mixing):
    alone, n = seen(feed_of(tasks, mixing), 30), 30
    both = [seen(feed_of(tasks, mixing, rank, 2), n) for rank in range(2)]
    for step in range(n):
        joined = sorted((*both[0][step], *both[1][step]))
        assert [row[:2] for row in joined] == [row[:2] for row in alone[step]]
        # Gradients are averaged over processes, so that weights are twice as large there.
        np.testing.assert_allclose(
            [w / 2 for *_, w in joined], [w for *_, w in alone[step]], atol=1e-5
        )


@pytest.mark.parametrize("mixing", MIXES, ids=repr)
def test_a_run_that_goes_on_finds_the_rows_of_one_that_never_stopped(tasks, mixing):
    whole = seen(feed_of(tasks, mixing), 40)
    assert seen(feed_of(tasks, mixing), 40, first=23) == whole[23:]


def test_a_step_is_of_one_task_unless_they_are_mixed(tasks):
    for rows in seen(feed_of(tasks, Mixing()), 30):
        assert len({name for name, *_ in rows}) == 1 and len(rows) <= 4
    for rows in seen(feed_of(tasks, Mixing(mixed=True)), 30):
        assert {name for name, *_ in rows} == set(SIZES)
        assert sum(w for *_, w in rows) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("way", ["proportional", "uniform"])
def test_the_rows_of_a_task_all_come_before_one_comes_again(tasks, way):
    steps = seen(feed_of(tasks, Mixing(way)), 70)
    own = [i for rows in steps for name, i, _ in rows if name == "a"]
    assert len(own) >= 80
    assert sorted(own[:40]) == sorted(own[40:80]) == list(range(1000, 1040))
    assert own[:40] != own[40:80]


def test_steps_are_counted_by_task(tasks):
    for mixing in MIXES:
        feed = feed_of(tasks, mixing)
        told = feed.steps_of(33)
        rows = seen(feed, 33)
        found = {name: sum(name in {n for n, *_ in step} for step in rows) for name in SIZES}
        assert told == found


@pytest.mark.parametrize("mixed", [False, True])
def test_a_task_that_stopped_is_not_learnt_from_any_more(tasks, mixed):
    def stopped(epoch):
        return frozenset({"a"}) if epoch >= 2 else frozenset()

    feed = feed_of(tasks, Mixing(mixed=mixed), stopped=stopped)
    n = len(feed)
    rows = seen(feed, 4 * n)
    assert any(name == "a" for step in rows[: 2 * n] for name, *_ in step)
    assert not any(name == "a" for step in rows[2 * n :] for name, *_ in step)
    for step in rows:
        assert sum(w for *_, w in step) == pytest.approx(1, abs=1e-5)
