import numpy as np

from nlptl.training.checkpoints import Keeper
from nlptl.training.tasks.task_progress import Progress, ProgressKeeper


def progress_of(patience=2, **scores):
    return Progress(patience, {name: list(found) for name, found in scores.items()})


def test_a_task_stops_once_it_was_not_better_for_as_long_as_patience_says():
    found = progress_of(a=[1, 3, 2, 2, 9], b=[1, 2, 3, 4, 5])
    assert [found.stopped(epoch) for epoch in range(4)] == [frozenset()] * 4
    assert found.stopped(4) == {"a"}


def test_when_all_would_stop_the_latest_to_improve_go_on():
    found = progress_of(a=[3, 2, 2, 2], b=[1, 2, 1, 1])
    assert found.stopped(3) == {"a"}
    assert found.stopped(4) == {"a"}


def test_tasks_without_held_out_rows_never_stop():
    assert progress_of().stopped(9) == frozenset()


def test_a_checkpoint_keeps_the_progress_with_it(tmp_path):
    before = progress_of(a=[0.5, 0.25])
    before.take({"a": 0.125}, [[1.0]])
    keeper = ProgressKeeper.of(Keeper(tmp_path / "kept", 1), before)
    assert keeper.save(1, {"stage": 0}, {"w": np.ones(2)})
    after = Progress(2)
    saved = ProgressKeeper.of(Keeper(tmp_path / "kept", 1), after).newest()
    assert saved.position == {"stage": 0}
    assert after.scores == {"a": [0.5, 0.25, 0.125]} and after.cosines == [[[1.0]]]


def test_without_a_checkpoint_progress_stays_as_it_is(tmp_path):
    own = progress_of(a=[1])
    assert ProgressKeeper.of(Keeper(tmp_path / "none", 1), own).newest() is None
    assert own.scores == {"a": [1]}
