"""Training a network of texts: its batches, its collapse, its beginning again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nlptl.base.arrays import IntArray
from nlptl.base.chance import torch_seed
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import BoundTransfer, Stage
from nlptl.data.batches import by_class, dealt, like_lengths
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.precision import has_bfloat16
from nlptl.training.checkpoints import Keeper, logger
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History, Learner, train
from nlptl.training.losses import as_truth, row_losses
from nlptl.training.networks.attention import attending_by_products
from nlptl.training.networks.dropout import with_lanes
from nlptl.training.networks.embeddings import OccurringRows
from nlptl.training.networks.texts import (
    Batch,
    LabelledWindows,
    Objective,
    TextNetwork,
    logits_of,
)
from nlptl.training.processes import from_main, make_accelerator, place, spreads_weights
from nlptl.training.weights.sharding import as_whole, is_sharded
from nlptl.training.weights.twins import Twin

TASK = "task"
_PLAIN = ("NO", "MULTI_CPU", "MULTI_GPU")
"""Ways of distributing that leave the weights whole in every process."""
_SAMPLE = 256
_CLEARLY = 0.9


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
    """

    streams: Mapping[str, LabelledWindows]
    config: LoopConfig
    seed: int
    rank: int
    n_ranks: int
    where: Any
    by_class: bool = False

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

    @property
    def _leading(self) -> str:
        return TASK if TASK in self.streams else next(iter(self.streams))

    def _batch(self, name: str, of_step: IntArray, some: IntArray) -> Batch:
        """Give a pass of some of the rows of a step; without any, one that counts nothing."""
        stream = self.streams[name]
        shown = some if len(some) else of_step[:1]
        targets = stream.targets
        given = None if targets is None else targets.weights
        counts = np.ones(len(of_step)) if given is None else given[of_step]
        own = np.ones(len(shown)) if given is None else given[shown]
        weights = own * (self.n_ranks / max(counts.sum(), 1e-12)) * bool(len(some))
        return Batch(
            stream.inputs(shown, self.where),
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
            return list(by_class(rows.targets.codes, size, rng=rng))
        return list(like_lengths(rows.sizes, size, rng=rng))

    @lru_cache(maxsize=8)  # noqa: B019
    def _shuffled(self, name: str, cycle: int) -> IntArray:
        place_of_name = list(self.streams).index(name)
        rng = np.random.default_rng((self.seed, cycle, place_of_name))
        return rng.permutation(len(self.streams[name]))


@dataclass(frozen=True)
class Tuning:
    """How a network of texts is trained.

    Attributes
    ----------
    config : LoopConfig
    seed : int
    device : str or None
    loss : callable
        Takes logits and truth; gives the loss of each row.
    settings : mapping
        Plain JSON that tells this fit from others, for its checkpoints.
    collapsed : callable, optional
        Takes the network, its rows and the history; says why training came to nothing, or None.
        Without it the logits tell.
    """

    config: LoopConfig
    seed: int
    device: str | None = None
    loss: Callable[[Any, Any], Any] = row_losses
    settings: Mapping[str, Any] | None = None
    collapsed: Callable[[Any, Any, Any], str | None] | None = None


def tune(
    build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]],
    rows: LabelledWindows,
    how: Tuning,
    *,
    score: Callable[[TextNetwork], float] | None = None,
) -> tuple[TextNetwork, History]:
    """Train a network; begin again with another seed where training collapsed.

    Where it collapses with every seed, the network stays as it was, if that is better.

    Parameters
    ----------
    build : callable
        Takes a seed; gives a network ready to be trained, and the transfers bound to it.
    rows : LabelledWindows
        What to learn from.
    how : Tuning
    score : callable, optional
        Takes the network; gives a number, the higher the better, for early stopping.
    """
    restarts: list[str] = []
    for attempt in range(how.config.restarts + 1):
        again = replace(how, seed=how.seed + 1000 * attempt)
        network, history = _attempt(build, rows, again, score=score, attempt=attempt)
        reason = from_main(partial(how.collapsed or collapse, network, rows, history))
        if reason is None or attempt == how.config.restarts:
            break
        restarts.append(reason)
        logger.warning("Training collapsed (%s); beginning again with another seed.", reason)
    if reason is not None:
        start = _start(build, rows, how, history)
        kept = "the last" if start is None else "the network as it was before"
        logger.warning("Training collapsed (%s) with every seed; %s is kept.", reason, kept)
        network = network if start is None else start
    history.restarts = restarts
    return network, history


def _start(
    build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]],
    rows: LabelledWindows,
    how: Tuning,
    history: History,
) -> TextNetwork | None:
    """Give the network as it is before training, unless it is no better than after."""
    accelerator = make_accelerator(how.device, how.config)
    objective = _built(build, how).to(place(accelerator, how.device))
    for transfer in objective.transfers:
        transfer.finish()
    network: TextNetwork = objective.network
    worse = from_main(partial(how.collapsed or collapse, network, rows, history))
    return None if worse else network


def collapse(network: TextNetwork, rows: LabelledWindows, history: History) -> str | None:
    """Say why training came to nothing, or None where it did not.

    It did where the loss is not below that of the class shares alone, or where one and the same
    class is predicted for every row although no class is nearly all of them.
    """
    targets = rows.targets
    if targets is None or not history.losses or targets.codes.dtype.kind == "f":
        return None
    prior = prior_loss(targets)
    if history.losses[-1] < _CLEARLY * prior:
        return None
    some = np.random.default_rng(0).permutation(len(targets))[:_SAMPLE]
    logits, truth = logits_of(network, rows, some=some), targets.codes[some]
    weights = None if targets.weights is None else targets.weights[some]
    losses = row_losses(torch.from_numpy(logits), torch.from_numpy(truth)).numpy()
    own = float(np.average(losses, weights=weights))
    if not own < prior:
        return f"its loss {own:.3f} is not below {prior:.3f}, that of the class shares"
    largest = targets.counts.max() / len(targets)
    if not targets.several and largest <= _CLEARLY and len(np.unique(logits.argmax(axis=1))) == 1:
        return "it predicts one class for every row"
    return None


def prior_loss(targets: Targets) -> float:
    """Give the mean loss of predicting the share of each class, or label, for every row."""
    weights = np.ones(len(targets)) if targets.weights is None else targets.weights
    shares = np.average(targets.one_hot, axis=0, weights=weights)
    sure = shares * np.log(np.maximum(shares, 1e-12))
    if not targets.several:
        return float(-sure.sum())
    missed = (1 - shares) * np.log(np.maximum(1 - shares, 1e-12))
    return float(-(sure + missed).mean())


def _attempt(
    build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]],
    rows: LabelledWindows,
    how: Tuning,
    *,
    score: Callable[[TextNetwork], float] | None,
    attempt: int,
) -> tuple[TextNetwork, History]:
    accelerator = make_accelerator(how.device, how.config)
    where, rank = place(accelerator, how.device), accelerator.process_index
    objective = _built(build, how).to(where)
    network, transfers = objective.network, objective.transfers
    if how.config.checkpoint_activations:
        network.encoder.gradient_checkpointing_enable({"use_reentrant": False})
    learner = _learner(objective, rows, how, accelerator)
    twin = learner.twin
    computing = network if twin is None else twin.module.network
    scored = None if score is None else lambda _: score(network)
    dropping = torch_seed(how.seed + 7919 * rank)  # every process drops other values out
    with dropping, attending_by_products(computing.encoder, where.type):
        history = train(
            learner,
            config=how.config,
            accelerator=accelerator,
            score=scored,
            keeper=_keeper(how, attempt, accelerator.num_processes),
        )
    if is_sharded(objective):
        objective = as_whole(objective, lambda: _built(build, how)).to(where)
        network, transfers = objective.network, objective.transfers
    for transfer in transfers:
        transfer.finish()
    return network, history


def _learner(objective: Objective, rows: LabelledWindows, how: Tuning, accelerator: Any) -> Learner:
    """Say what is trained on which rows, in the stages and at the rates that transfers ask for."""
    transfers, where = objective.transfers, next(objective.parameters()).device
    streams = {TASK: rows, **{n: s for t in transfers for n, s in t.streams().items()}}
    # What says which weights learn comes first in the list, and last in time.
    in_time = [*transfers[1:], *transfers[:1]]
    stages = [stage for transfer in in_time for stage in transfer.stages()] or [Stage()]
    ranks = (accelerator.process_index, accelerator.num_processes)
    compares = any(transfer.compares_rows for transfer in transfers)
    if spreads_weights(accelerator):
        _check_spread(stages, transfers)

    def feed(place_of_stage: int, stage: Stage) -> TextFeed:
        seed = how.seed + 100 * place_of_stage
        names = streams if stage.streams is None else stage.streams
        chosen = {n: streams[n] for n in names}
        return TextFeed(chosen, how.config, seed, *ranks, where, by_class=compares)

    return Learner(
        objective,
        [(_inside(stage, transfers), feed(i, stage)) for i, stage in enumerate(stages)],
        rate_of=lambda name: _rate(name, transfers),
        half=True,
        twin=_twin(objective, how, accelerator),
    )


def _built(build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]], how: Tuning) -> Any:
    """Build a network and what judges it, from one seed."""
    with torch_seed(how.seed):
        network, transfers = build(how.seed)
        return Objective(network, how.loss, transfers)


def _check_spread(stages: Sequence[Stage], transfers: Sequence[BoundTransfer]) -> None:
    """Refuse what cannot go on with weights in parts.

    Raises
    ------
    ConfigError
        If it is asked for.
    """
    if len(stages) > 1:
        raise ConfigError(
            "FSDP keeps to the weights that learn in the beginning: gradual unfreezing and other "
            "stages are not possible with it. Launch with --multi_gpu instead."
        )
    for transfer in transfers:
        if transfer.reads_weights:
            named = type(transfer).__module__.rpartition(".")[2]
            raise ConfigError(
                f"FSDP takes weights apart, and a transfer ({named}) looks at them. Launch with "
                "--multi_gpu instead."
            )


def _twin(objective: Objective, how: Tuning, accelerator: Any) -> Twin | None:
    """Copy the network to compute in bfloat16, where nothing speaks against it."""
    where = next(objective.parameters()).device.type
    wanted = how.config.precision in ("auto", "bfloat16") and accelerator.mixed_precision == "no"
    plain = str(accelerator.distributed_type).rpartition(".")[2] in _PLAIN
    if not (wanted and plain and has_bfloat16(where)) or len(objective.network.extras):
        return None
    network = objective.network
    rows = [part for part in network.modules() if isinstance(part, OccurringRows)]
    shared = {id(part.whole[0]): part.whole[0] for part in rows}
    half = copy.deepcopy(network, shared).to(torch.bfloat16)
    half.head.float()  # logits decide, and cost nothing
    if where == "cpu":
        with_lanes(half.encoder)
    return Twin(Objective(half, how.loss, objective.transfers))


def _keeper(how: Tuning, attempt: int, n_ranks: int) -> Keeper | None:
    if how.config.checkpoints is None:
        return None
    settings = {**(how.settings or {}), "processes": n_ranks}
    folder = Path(how.config.checkpoints) / f"attempt-{attempt}"
    return Keeper(folder, how.config.save_steps, settings)


def _inside(stage: Stage, transfers: Sequence[BoundTransfer]) -> Stage:
    """Let a stage train what every transfer lets learn; names are those of the network."""

    def trains(name: str) -> bool:
        own = _own(name)
        return stage.trains(own) and all(transfer.trains(own) for transfer in transfers)

    return replace(stage, trains=trains)


def _rate(name: str, transfers: Sequence[BoundTransfer]) -> float:
    rate = 1.0
    for transfer in transfers:
        rate *= transfer.rate(_own(name))
    return rate


def _own(name: str) -> str:
    return name.removeprefix("network.")
