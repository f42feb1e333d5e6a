"""Batches for a text network: the rows of each step, divided among passes and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.streams import Altered, HiddenTokens, Stream, TokenRows
from nlptl.data.batches import alike, by_class, dealt, like_lengths, shuffled
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.losses import as_truth
from nlptl.training.networks.text_network import Batch, LabelledWindows

TASK = "task"

_HIDING = 1
"""Part of the seed of the hidden tokens, so that they do not depend on the order of the rows."""

_TOKENS_PER_PASS_OVERHEAD = 128
"""Number of tokens that take as long as one additional call of the network."""


@dataclass(frozen=True, eq=False)
class TextFeed:
    """Batches of labelled rows, together with rows of additional streams.

    The rows of a step depend only on the seed, the epoch and the step number. So all processes
    and resumed runs use the same rows.

    Attributes
    ----------
    streams : mapping of str to LabelledWindows or Stream
        Each row of ``"task"`` is used once per epoch. Each other stream adds ``batch_size`` rows
        per step, or another number if it is a ``Stream``, and starts again when it ends. Without
        ``"task"``, the first stream leads.
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

    streams: Mapping[str, TokenRows | Stream]
    config: LoopConfig
    seed: int
    rank: int
    n_ranks: int
    where: Any
    by_class: bool = False
    any_length: bool = False
    in_parts: bool = False

    def __post_init__(self) -> None:
        # A cache per feed, not per class: it ends with its feed, and feeds do not share its size.
        for name, size in (("_order", 4), ("_sizes", 8), ("_shuffled", 8)):
            object.__setattr__(self, name, lru_cache(maxsize=size)(getattr(self, name)))

    def __len__(self) -> int:
        return len(self._order(self._leading, 0))

    def passes(self, epoch: int, step: int) -> list[tuple[dict[str, Batch], float]]:
        """Return this process's passes for a step, each with its share of the step."""
        leading = self.rows(self._leading)
        rows_of_step = self._order(self._leading, epoch)[step]
        shares = dealt(
            rows_of_step,
            self._sizes(self._leading),
            n_ranks=self.n_ranks,
            passes=max(self.config.accumulation, *self._passes_of_others(epoch * len(self) + step)),
            tokens_per_pass=self.config.tokens_per_pass,
            codes=leading.targets.codes if self.by_class and leading.targets else None,
        )[self.rank]
        number = epoch * len(self) + step
        parts = {self._leading: (self._of_step(self._leading, rows_of_step, number), shares)}
        for name in self.streams:
            followed = self._stream(name).follows
            if followed is not None:
                of_step, of_passes = parts[followed]
                parts[name] = self._of_step(name, of_step.rows, number), of_passes
            elif name != self._leading:
                some = self._extra_rows(name, number)
                of_passes = np.array_split(some[self.rank :: self.n_ranks], len(shares))
                parts[name] = self._of_step(name, some, number), of_passes
        return [
            (
                {n: self._batch(rows, some[i], len(shares)) for n, (rows, some) in parts.items()},
                1 / len(shares),
            )
            for i in range(len(shares))
        ]

    def _passes_of_others(self, step: int) -> list[int]:
        """Return how many passes each additional stream needs, in the process with most tokens."""
        needed = [1]
        for name in self.streams:
            if name != self._leading and self._stream(name).follows is None:
                sizes = self._sizes(name)[self._extra_rows(name, step)]
                parts = [sizes[rank :: self.n_ranks] for rank in range(self.n_ranks)]
                tokens = max(len(part) * int(part.max(initial=0)) for part in parts)
                needed.append(-(-tokens // self.config.tokens_per_pass))
        return needed

    def batch(self, name: str, some: IntArray) -> Batch:
        """Return rows of a stream as one pass; it always hides the same tokens of the rows."""
        return self._batch(self._of_step(name, some, 0), some, 1)

    @property
    def _leading(self) -> str:
        return TASK if TASK in self.streams else next(iter(self.streams))

    def _stream(self, name: str) -> Stream:
        rows = self.streams[name]
        return rows if isinstance(rows, Stream) else Stream(rows)

    def rows(self, name: str) -> LabelledWindows:
        """Return all rows of a stream."""
        rows: Any = self._stream(name).rows
        windows: LabelledWindows = rows
        return windows

    def _of_step(self, name: str, some: IntArray, number: int) -> _StepRows:
        """Return the rows of a stream in a step, and hide tokens if the stream does."""
        rows, hides = self.rows(name), self._stream(name).hides
        if hides is None:
            return _StepRows(rows, some, self._sizes(name))
        index = list(self.streams).index(name)
        rng = np.random.default_rng((self.seed, number, index, _HIDING))
        windows = rows.windows_of(some)
        altered = hides([rows.windows.ids[window] for window in windows], rng)
        by_window = dict(zip(windows.tolist(), altered, strict=True))
        ids = {window: part.ids for window, part in by_window.items()}
        n_hidden = sum(len(by_window[window].hidden) for window in windows.tolist())
        sizes = self._sizes(name)
        return _StepRows(rows.altered(ids), some, sizes, by_window, rows.windows, n_hidden)

    def _batch(self, step: _StepRows, some: IntArray, n_passes: int) -> Batch:
        """Return a pass with ``some`` of the rows of a step; without rows, a pass of weight 0."""
        parts = [some if len(some) else step.rows[:1]]
        if self.in_parts:
            groups = alike(step.sizes[parts[0]], part_cost=_TOKENS_PER_PASS_OVERHEAD)
            parts = [parts[0][positions] for positions in groups]
        rows, targets = np.concatenate(parts), step.windows.targets
        weights = step.weights(rows) * (self.n_ranks / step.total) * bool(len(some))
        means = np.full(len(rows), self.n_ranks * n_passes * bool(len(some)) / len(step.rows))
        return Batch(
            [step.windows.inputs(part, self.where) for part in parts],
            None if targets is None else as_truth(targets.codes[rows]).to(self.where),
            self._numbers(weights),
            None
            if targets is None
            else torch.from_numpy(targets.domain_numbers[rows]).to(self.where),
            torch.from_numpy(rows).to(self.where),
            self._numbers(means),
            self._hidden(step, rows, self.n_ranks * n_passes * bool(len(some))),
        )

    def _hidden(self, step: _StepRows, rows: IntArray, scale: float) -> HiddenTokens | None:
        """Return the hidden tokens of a pass."""
        if step.original is None:
            return None
        windows = step.windows.windows_of(rows).tolist()
        positions = [step.altered[window].hidden for window in windows]
        places = np.repeat(np.arange(len(windows)), [len(part) for part in positions])
        tokens = [
            step.original.ids[window][position]
            for window, part in zip(windows, positions, strict=True)
            for position in part
        ]
        flat = np.concatenate(positions)
        weights = np.full(len(flat), scale / max(step.n_hidden, 1))
        whole = [np.asarray(part, dtype=np.int64) for part in (places, flat, tokens)]
        at, positions_there, ids = (torch.from_numpy(part).to(self.where) for part in whole)
        return HiddenTokens(at, positions_there, ids, self._numbers(weights))

    def _numbers(self, values: FloatArray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.where)

    def _extra_rows(self, name: str, step: int) -> IntArray:
        """Return the rows of an additional stream at a step, counted over all epochs."""
        size = max(round(self.config.batch_size * self._stream(name).ratio), 1)
        n_rows = len(self.rows(name))
        positions = np.arange(step * size, (step + 1) * size)
        rounds = [self._shuffled(name, int(r)) for r in np.unique(positions // n_rows)]
        rows: IntArray = np.concatenate(rounds)[positions - (positions[0] // n_rows) * n_rows]
        return rows

    def _order(self, name: str, epoch: int) -> list[IntArray]:
        rng, rows = np.random.default_rng((self.seed, epoch)), self.rows(name)
        size = self.config.batch_size
        if self.by_class and rows.targets is not None:
            return by_class(rows.targets.codes, size, rng=rng)
        if self.any_length:
            return list(shuffled(len(rows), size, rng=rng))
        return like_lengths(self._sizes(name), size, rng=rng)

    def _sizes(self, name: str) -> IntArray:
        """Return the tokens of each row of a stream and of the streams that go together with it.

        Streams with the same rows are put into batches and parts by the same numbers, so that
        their rows come in the same order.
        """
        leader = self._stream(name).follows or name
        together = [n for n in self.streams if (self._stream(n).follows or n) == leader]
        sizes: IntArray = np.sum([self.rows(n).sizes for n in together], axis=0)
        return sizes

    def _shuffled(self, name: str, cycle: int) -> IntArray:
        stream_number = list(self.streams).index(name)
        rng = np.random.default_rng((self.seed, cycle, stream_number))
        return rng.permutation(len(self.rows(name)))


@dataclass(frozen=True, eq=False)
class _StepRows:
    """The rows of a stream in one step.

    Attributes
    ----------
    windows : LabelledWindows
        All rows of the stream, with the tokens that the encoder reads.
    rows : ndarray of shape (n,)
        Numbers of the rows of the step, over all processes.
    sizes : ndarray
        Tokens of each row of the stream and of the streams that go together with it.
    altered : mapping of int to Altered
        The windows of the step after tokens were hidden, by their numbers.
    original : Windows or None
        The windows before that; None if no tokens are hidden.
    n_hidden : int
        Number of hidden tokens of the step, over all processes.
    """

    windows: LabelledWindows
    rows: IntArray
    sizes: IntArray
    altered: Mapping[int, Altered] = field(default_factory=dict)
    original: Windows | None = None
    n_hidden: int = 0

    def weights(self, some: IntArray) -> FloatArray:
        """Return the weights of some rows; 1 without weights."""
        targets = self.windows.targets
        if targets is None or targets.weights is None:
            return np.ones(len(some))
        weights: FloatArray = targets.weights[some]
        return weights

    @property
    def total(self) -> float:
        """Total weight of the rows of the step."""
        return max(float(self.weights(self.rows).sum()), 1e-12)
