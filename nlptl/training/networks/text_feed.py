"""What a network of texts is fed: the rows of each step, dealt over passes and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from nlptl.base.arrays import IntArray
from nlptl.data.batches import alike, by_class, dealt, like_lengths
from nlptl.training.config import LoopConfig
from nlptl.training.losses import as_truth
from nlptl.training.networks.text_network import Batch, LabelledWindows

TASK = "task"

_TOKENS_PER_PASS_OVERHEAD = 128
"""Tokens that take as long as one more call of the network."""


@dataclass(frozen=True, eq=False)
class TextFeed:
    """Steps over labelled rows, with further rows beside them.

    The rows of a step are a function of the seed, the epoch and the number of the step, so that
    every process, and a run that goes on from a checkpoint, finds the same.

    Attributes
    ----------
    streams : mapping of str to LabelledWindows
        ``"task"`` is gone through once an epoch. Others give as many rows a step, and begin
        again where they end.
    config : LoopConfig
        Rows a step, passes a step.
    seed : int
    rank, n_ranks : int
        This process, and how many there are.
    where : torch.device
    by_class : bool
        Batches hold several rows of each of their classes.
    in_parts : bool
        Rows of a pass are read in parts of like length.
    """

    streams: Mapping[str, LabelledWindows]
    config: LoopConfig
    seed: int
    rank: int
    n_ranks: int
    where: Any
    by_class: bool = False
    in_parts: bool = False

    def __len__(self) -> int:
        return len(self._order(self._leading, 0))

    def passes(self, epoch: int, step: int) -> list[tuple[dict[str, Batch], float]]:
        """Give the passes of one step for this process, each with its share of the step."""
        leading = self.streams[self._leading]
        own = self._order(self._leading, epoch)[step]
        shares = dealt(
            own,
            leading.sizes,
            n_ranks=self.n_ranks,
            passes=self.config.accumulation,
            tokens_per_pass=self.config.tokens_per_pass,
            codes=leading.targets.codes if self.by_class and leading.targets else None,
        )[self.rank]
        dealt_rows = {self._leading: (own, shares)}
        for name in self.streams:
            if name != self._leading:
                some = self._beside(name, epoch * len(self) + step)
                of_rank = some[self.rank :: self.n_ranks]
                dealt_rows[name] = (some, np.array_split(of_rank, len(shares)))
        return [
            (
                {n: self._batch(n, rows, parts[i]) for n, (rows, parts) in dealt_rows.items()},
                1 / len(shares),
            )
            for i in range(len(shares))
        ]

    def batch(self, name: str, some: IntArray) -> Batch:
        """Give some rows of a stream as one pass."""
        return self._batch(name, some, some)

    @property
    def _leading(self) -> str:
        return TASK if TASK in self.streams else next(iter(self.streams))

    def _batch(self, name: str, of_step: IntArray, some: IntArray) -> Batch:
        """Give a pass of some of the rows of a step; without any, one that counts nothing."""
        stream = self.streams[name]
        parts = [some if len(some) else of_step[:1]]
        if self.in_parts:
            found = alike(stream.sizes[parts[0]], part_cost=_TOKENS_PER_PASS_OVERHEAD)
            parts = [parts[0][places] for places in found]
        shown, targets = np.concatenate(parts), stream.targets
        given = None if targets is None else targets.weights
        counts = np.ones(len(of_step)) if given is None else given[of_step]
        own = np.ones(len(shown)) if given is None else given[shown]
        weights = own * (self.n_ranks / max(counts.sum(), 1e-12)) * bool(len(some))
        return Batch(
            [stream.inputs(part, self.where) for part in parts],
            None if targets is None else as_truth(targets.codes[shown]).to(self.where),
            torch.from_numpy(weights.astype(np.float32)).to(self.where),
        )

    def _beside(self, name: str, step: int) -> IntArray:
        """Give the rows of a further stream at a step, counted over all epochs."""
        size, n_rows = self.config.batch_size, len(self.streams[name])
        places = np.arange(step * size, (step + 1) * size)
        rounds = [self._shuffled(name, int(r)) for r in np.unique(places // n_rows)]
        rows: IntArray = np.concatenate(rounds)[places - (places[0] // n_rows) * n_rows]
        return rows

    @lru_cache(maxsize=4)  # noqa: B019 - a feed lives as long as its training
    def _order(self, name: str, epoch: int) -> list[IntArray]:
        rng, rows = np.random.default_rng((self.seed, epoch)), self.streams[name]
        size = self.config.batch_size
        if self.by_class and rows.targets is not None:
            return by_class(rows.targets.codes, size, rng=rng)
        return list(like_lengths(rows.sizes, size, rng=rng))

    @lru_cache(maxsize=8)  # noqa: B019
    def _shuffled(self, name: str, cycle: int) -> IntArray:
        place_of_name = list(self.streams).index(name)
        rng = np.random.default_rng((self.seed, cycle, place_of_name))
        return rng.permutation(len(self.streams[name]))
