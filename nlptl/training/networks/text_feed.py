"""Batches for a text network: the rows of each step, divided among passes and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from nlptl.base.arrays import IntArray
from nlptl.data.batches import alike, by_class, dealt, like_lengths, shuffled
from nlptl.data.targets import Targets
from nlptl.training.config import LoopConfig
from nlptl.training.losses import as_truth
from nlptl.training.networks.text_network import Batch, LabelledWindows

TASK = "task"

_TOKENS_PER_PASS_OVERHEAD = 128
"""Number of tokens that take as long as one additional call of the network."""


@dataclass(frozen=True, eq=False)
class TextFeed:
    """Batches of labelled rows, together with rows of additional streams.

    The rows of a step depend only on the seed, the epoch and the step number. So all processes
    and resumed runs use the same rows.

    Attributes
    ----------
    streams : mapping of str to LabelledWindows
        Each row of ``"task"`` is used once per epoch. Each other stream adds ``batch_size`` rows
        per step, and starts again when it ends. Without ``"task"``, the first stream leads.
    config : LoopConfig
        Rows per step, passes per step.
    seed : int
    rank, n_ranks : int
        Number of this process, and number of processes.
    where : torch.device
        Device of the batches.
    by_class : bool
        True if batches contain several rows of each of their classes.
    any_length : bool
        True if batches contain rows of any length. False if their rows have similar lengths. Rows
        that are compared with those of another stream should not differ by their length.
    in_parts : bool
        True to split the rows of a pass into parts of similar length.
    """

    streams: Mapping[str, LabelledWindows]
    config: LoopConfig
    seed: int
    rank: int
    n_ranks: int
    where: Any
    by_class: bool = False
    any_length: bool = False
    in_parts: bool = False

    def __len__(self) -> int:
        return len(self._order(self._leading, 0))

    def passes(self, epoch: int, step: int) -> list[tuple[dict[str, Batch], float]]:
        """Return this process's passes for a step, each with its share of the step."""
        leading = self.streams[self._leading]
        rows_of_step = self._order(self._leading, epoch)[step]
        shares = dealt(
            rows_of_step,
            leading.sizes,
            n_ranks=self.n_ranks,
            passes=self.config.accumulation,
            tokens_per_pass=self.config.tokens_per_pass,
            codes=leading.targets.codes if self.by_class and leading.targets else None,
        )[self.rank]
        dealt_rows = {self._leading: (rows_of_step, shares)}
        for name in self.streams:
            if name != self._leading:
                some = self._extra_rows(name, epoch * len(self) + step)
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
        """Return rows of a stream as one pass."""
        return self._batch(name, some, some)

    @property
    def _leading(self) -> str:
        return TASK if TASK in self.streams else next(iter(self.streams))

    def _batch(self, name: str, of_step: IntArray, some: IntArray) -> Batch:
        """Return a pass with ``some`` of the rows of a step; without rows, a pass of weight 0."""
        stream = self.streams[name]
        parts = [some if len(some) else of_step[:1]]
        if self.in_parts:
            groups = alike(stream.sizes[parts[0]], part_cost=_TOKENS_PER_PASS_OVERHEAD)
            parts = [parts[0][positions] for positions in groups]
        rows, targets = np.concatenate(parts), stream.targets
        row_weights = None if targets is None else targets.weights
        step_weights = np.ones(len(of_step)) if row_weights is None else row_weights[of_step]
        pass_weights = np.ones(len(rows)) if row_weights is None else row_weights[rows]
        weights = pass_weights * (self.n_ranks / max(step_weights.sum(), 1e-12)) * bool(len(some))
        return Batch(
            [stream.inputs(part, self.where) for part in parts],
            None if targets is None else as_truth(targets.codes[rows]).to(self.where),
            torch.from_numpy(weights.astype(np.float32)).to(self.where),
            None
            if targets is None
            else torch.from_numpy(targets.domain_numbers[rows]).to(self.where),
        )

    def _domains(self, targets: Targets, rows: IntArray) -> torch.Tensor:
        return torch.from_numpy(targets.domain_numbers[rows]).to(self.where)

    def _extra_rows(self, name: str, step: int) -> IntArray:
        """Return the rows of an additional stream at a step, counted over all epochs."""
        size, n_rows = self.config.batch_size, len(self.streams[name])
        positions = np.arange(step * size, (step + 1) * size)
        rounds = [self._shuffled(name, int(r)) for r in np.unique(positions // n_rows)]
        rows: IntArray = np.concatenate(rounds)[positions - (positions[0] // n_rows) * n_rows]
        return rows

    @lru_cache(maxsize=4)  # noqa: B019 - a feed lives as long as its training
    def _order(self, name: str, epoch: int) -> list[IntArray]:
        rng, rows = np.random.default_rng((self.seed, epoch)), self.streams[name]
        size = self.config.batch_size
        if self.by_class and rows.targets is not None:
            return by_class(rows.targets.codes, size, rng=rng)
        if self.any_length:
            return list(shuffled(len(rows), size, rng=rng))
        return like_lengths(rows.sizes, size, rng=rng)

    @lru_cache(maxsize=8)  # noqa: B019
    def _shuffled(self, name: str, cycle: int) -> IntArray:
        stream_number = list(self.streams).index(name)
        rng = np.random.default_rng((self.seed, cycle, stream_number))
        return rng.permutation(len(self.streams[name]))
