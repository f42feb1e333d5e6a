"""Batches for several tasks: the task of each step, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.streams import Hiding, Stream
from nlptl.data.mixing import Mixing, apportioned
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import Batch, LabelledWindows

Passes = list[tuple[dict[str, Batch], float]]


@dataclass(frozen=True, eq=False)
class TasksFeed:
    """Batches of the training steps of several tasks.

    The task and the rows of a step depend only on the seed, the step number and the tasks that
    have stopped. So all processes and resumed runs use the same rows. When all rows of a task
    have been used, the task starts again in another order.

    Attributes
    ----------
    tasks : mapping of str to LabelledWindows
        Rows of each task.
    config : LoopConfig
        Rows per step, passes per step.
    mixing : Mixing
        How often each task is used.
    seed : int
    rank, n_ranks : int
        Number of this process, and number of processes.
    where : torch.device
        Device of the batches.
    stopped : callable
        Takes an epoch; returns the names of the tasks that are not trained in it. The result for
        an epoch that has started never changes.
    hides : mapping of str to callable
        How tokens are hidden in the rows of a task; other tasks hide none.
    orders : dict of int to ndarray
        Cache of the task order of each epoch.
    """

    tasks: Mapping[str, LabelledWindows]
    config: LoopConfig
    mixing: Mixing
    seed: int
    rank: int
    n_ranks: int
    where: Any
    stopped: Callable[[int], frozenset[str]] = lambda _: frozenset()
    hides: Mapping[str, Hiding] = field(default_factory=dict)
    orders: dict[int, IntArray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Return the number of steps per epoch: all rows divided by ``batch_size``, rounded up."""
        size = self.config.batch_size
        return (sum(self.sizes) + size - 1) // size

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each task."""
        return [len(rows) for rows in self.tasks.values()]

    def passes(self, epoch: int, step: int) -> Passes:
        """Return this process's passes for a step, each with its share of the step."""
        if self.mixing.mixed:
            return self._of_all(epoch, epoch * len(self) + step)
        order = self._order(epoch)
        task = int(order[step])
        earlier = self._steps_before(epoch)[task] + int((order[:step] == task).sum())
        return self._feeds[task].passes(*divmod(earlier, len(self._feeds[task])))

    def steps_of(self, n_steps: int) -> dict[str, int]:
        """Count how many of the first ``n_steps`` steps train each task."""
        counts = np.zeros(len(self.tasks), np.int64)
        for epoch in range(-(-n_steps // len(self))):
            first = n_steps - epoch * len(self)
            if self.mixing.mixed:
                running = [name not in self.stopped(epoch) for name in self.tasks]
                counts += np.array(running) * min(first, len(self))
            else:
                counts += np.bincount(self._order(epoch)[:first], minlength=len(counts))
        return dict(zip(self.tasks, counts.tolist(), strict=True))

    def _of_all(self, epoch: int, taken: int) -> Passes:
        """Return the passes of a step that contains rows of every task, in their shares."""
        stopped = self.stopped(epoch)
        feeds = [(n, f) for n, f in zip(self.tasks, self._feeds, strict=True) if n not in stopped]
        by_task = [feed.passes(*divmod(taken, len(feed))) for _, feed in feeds]
        counts = dict(zip(self.tasks, self._rows_per_step, strict=True))
        total, n_passes = sum(counts[name] for name, _ in feeds), max(map(len, by_task))
        passes: Passes = []
        for index in range(n_passes):
            joined: dict[str, Batch] = {}
            for (name, _), task_passes in zip(feeds, by_task, strict=True):
                batch = task_passes[min(index, len(task_passes) - 1)][0][name]
                # Every pass contains every task, so that all processes reduce the same gradients.
                share = counts[name] / total if index < len(task_passes) else 0.0
                joined[name] = replace(batch, weights=batch.weights * float(share))
            passes.append((joined, 1 / n_passes))
        return passes

    def stream(self, name: str) -> LabelledWindows | Stream:
        """Return the rows of a task, and how tokens are hidden in them."""
        rows = self.tasks[name]
        return Stream(rows, hides=self.hides[name]) if name in self.hides else rows

    @cached_property
    def _rows_per_step(self) -> IntArray:
        shares = self.mixing.shares(self.sizes)
        counts: IntArray = np.maximum(apportioned(shares, self.config.batch_size), 1)
        return counts

    @cached_property
    def _feeds(self) -> list[TextFeed]:
        """Build one feed per task."""
        size = self.config.batch_size
        sizes = self._rows_per_step if self.mixing.mixed else [size] * len(self.tasks)
        process = self.rank, self.n_ranks, self.where
        return [
            TextFeed(
                {name: self.stream(name)},
                replace(self.config, batch_size=int(n)),
                self.seed + i,
                *process,
            )
            for i, (name, n) in enumerate(zip(self.tasks, sizes, strict=True))
        ]

    def _order(self, epoch: int) -> IntArray:
        """Return the index of the task of each step of an epoch."""
        if epoch not in self.orders:
            stopped = self.stopped(epoch)
            running = np.array([name not in stopped for name in self.tasks])
            steps = self.config.max_steps
            n_epochs = self.config.epochs if steps is None else -(-steps // len(self))
            progress = min(epoch / max(n_epochs - 1, 1), 1.0)
            self.orders[epoch] = np.flatnonzero(running)[
                self.mixing.order(
                    np.array(self.sizes)[running].tolist(),
                    len(self),
                    seed=(self.seed, epoch),
                    progress=progress,
                )
            ]
        return self.orders[epoch]

    def _steps_before(self, epoch: int) -> IntArray:
        """Count the steps of each task in all epochs before ``epoch``."""
        counts = np.zeros(len(self.tasks), np.int64)
        for earlier in range(epoch):
            counts += np.bincount(self._order(earlier), minlength=len(self.tasks))
        return counts
