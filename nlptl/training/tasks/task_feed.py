"""What several tasks are fed: which of them a step learns from, and which of its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.data.mixing import Mixing, apportioned
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import Batch, LabelledWindows

Passes = list[tuple[dict[str, Batch], float]]


@dataclass(frozen=True, eq=False)
class TasksFeed:
    """Steps over the rows of several tasks.

    Which task a step belongs to, and which of its rows, is a function of the seed, the number of
    the step and the tasks that have stopped, so that every process, and a run that goes on from a
    checkpoint, finds the same. A task that is through with its rows begins again in another order.

    Attributes
    ----------
    tasks : mapping of str to LabelledWindows
    config : LoopConfig
        Rows a step, passes a step.
    mixing : Mixing
    seed : int
    rank, n_ranks : int
        This process, and how many there are.
    where : torch.device
    stopped : callable
        Takes an epoch; gives the names of the tasks that nothing more is learnt from in it. What
        it gives of an epoch that began never changes.
    """

    tasks: Mapping[str, LabelledWindows]
    config: LoopConfig
    mixing: Mixing
    seed: int
    rank: int
    n_ranks: int
    where: Any
    stopped: Callable[[int], frozenset[str]] = lambda _: frozenset()
    orders: dict[int, IntArray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Give the steps of an epoch: as many as all rows together fill."""
        size = self.config.batch_size
        return (sum(self.sizes) + size - 1) // size

    @property
    def sizes(self) -> list[int]:
        """Rows of each task."""
        return [len(rows) for rows in self.tasks.values()]

    def passes(self, epoch: int, step: int) -> Passes:
        """Give the passes of one step for this process, each with its share of the step."""
        if self.mixing.mixed:
            return self._of_all(epoch, epoch * len(self) + step)
        order = self._order(epoch)
        task = int(order[step])
        earlier = self._steps_before(epoch)[task] + int((order[:step] == task).sum())
        return self._feeds[task].passes(*divmod(earlier, len(self._feeds[task])))

    def steps_of(self, n_steps: int) -> dict[str, int]:
        """Count how many of the first steps learn from each task."""
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
        """Give the passes of a step that holds rows of every task, in their shares."""
        gone = self.stopped(epoch)
        feeds = [(n, f) for n, f in zip(self.tasks, self._feeds, strict=True) if n not in gone]
        each = [feed.passes(*divmod(taken, len(feed))) for _, feed in feeds]
        counts = dict(zip(self.tasks, self._rows_a_step, strict=True))
        total, n_passes = sum(counts[name] for name, _ in feeds), max(map(len, each))
        passes: Passes = []
        for place in range(n_passes):
            joined: dict[str, Batch] = {}
            for (name, _), own in zip(feeds, each, strict=True):
                batch = own[min(place, len(own) - 1)][0][name]
                # Every pass holds every task, so that all processes reduce the same gradients.
                share = counts[name] / total if place < len(own) else 0.0
                joined[name] = replace(batch, weights=batch.weights * float(share))
            passes.append((joined, 1 / n_passes))
        return passes

    @cached_property
    def _rows_a_step(self) -> IntArray:
        shares = self.mixing.shares(self.sizes)
        counts: IntArray = np.maximum(apportioned(shares, self.config.batch_size), 1)
        return counts

    @cached_property
    def _feeds(self) -> list[TextFeed]:
        """Give each task a feed of its own."""
        size = self.config.batch_size
        sizes = self._rows_a_step if self.mixing.mixed else [size] * len(self.tasks)
        given = self.rank, self.n_ranks, self.where
        return [
            TextFeed({name: rows}, replace(self.config, batch_size=int(n)), self.seed + i, *given)
            for i, ((name, rows), n) in enumerate(zip(self.tasks.items(), sizes, strict=True))
        ]

    def _order(self, epoch: int) -> IntArray:
        """Give the task of each step of an epoch."""
        if epoch not in self.orders:
            gone = self.stopped(epoch)
            running = np.array([name not in gone for name in self.tasks])
            progress = min(epoch / max(self.config.epochs - 1, 1), 1.0)
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
        """Count the steps of each task in all epochs before one."""
        counts = np.zeros(len(self.tasks), np.int64)
        for earlier in range(epoch):
            counts += np.bincount(self._order(earlier), minlength=len(self.tasks))
        return counts
