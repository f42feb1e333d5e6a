"""Training of a text network, with detection of collapsed runs and restarts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlptl.base.chance import Chance, torch_seed
from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.base.transfer import BoundTransfer, Stage
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.precision import has_bfloat16
from nlptl.training.checkpoints import Keeper, logger
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History, Learner, train
from nlptl.training.losses import LabelLosses, row_losses
from nlptl.training.networks.attention import attending_by_products
from nlptl.training.networks.dropout import with_lanes
from nlptl.training.networks.embeddings import OccurringRows
from nlptl.training.networks.held_back import figures_of
from nlptl.training.networks.text_feed import TASK, TextFeed
from nlptl.training.networks.text_network import LabelledWindows, Objective, TextNetwork, logits_of
from nlptl.training.processes import from_main, make_accelerator, place, spreads_weights
from nlptl.training.weights.bf16_copy import Bf16Copy, with_exact_angles
from nlptl.training.weights.rates import weight_rates
from nlptl.training.weights.sharding import as_whole, is_sharded

if TYPE_CHECKING:
    from accelerate import Accelerator

_PLAIN_DISTRIBUTIONS = ("NO", "MULTI_CPU", "MULTI_GPU")
"""Types of distribution with full weights in every process."""
_ROWS_TO_CHECK = 256
_MAX_SHARE_OF_PRIOR_LOSS = 0.9
_NUMBERS_AT_ONCE = 4_000_000
"""Maximum number of logits in one block: rows times classes."""


@dataclass(frozen=True)
class Tuning:
    """Settings of the training of a text network.

    Attributes
    ----------
    config : LoopConfig
    seed : int
    device : str or None
    loss : callable
        Takes logits and truth; returns the loss of each row.
    settings : mapping
        Plain JSON that identifies the fit in its checkpoints.
    collapsed : callable, optional
        Takes the network, its rows and the history; returns the reason if training collapsed,
        else None. The default is ``collapse``, which checks the logits.
    """

    config: LoopConfig
    seed: int
    device: str | None = None
    loss: Callable[[Any, Any], Any] = row_losses
    settings: Mapping[str, Any] | None = None
    collapsed: Callable[[Any, Any, Any], str | None] | None = None

    @property
    def watchdog(self) -> Callable[[Any, Any, Any], str | None]:
        """Function that returns why training collapsed, or None if it did not."""
        return self.collapsed or partial(collapse, loss=self.loss)


def tune(
    build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]],
    rows: LabelledWindows | None,
    how: Tuning,
    *,
    score: Callable[[TextNetwork], float] | None = None,
) -> tuple[TextNetwork, History]:
    """Train a network; restart with another seed after a collapsed run.

    If training collapses with every seed, the untrained network is returned, unless it counts
    as collapsed too.

    Parameters
    ----------
    build : callable
        Takes a seed; returns a network that is ready to train, and the transfers bound to it.
    rows : LabelledWindows or None
        Training rows. None trains on the streams of the transfers alone.
    how : Tuning
    score : callable, optional
        Takes the network; returns a score for early stopping, where higher is better.
    """
    restarts: list[str] = []
    for attempt in range(how.config.restarts + 1):
        tuning = replace(how, seed=how.seed + 1000 * attempt)
        network, history = _attempt(build, rows, tuning, score=score, attempt=attempt)
        reason = from_main(partial(how.watchdog, network, rows, history))
        if reason is None or attempt == how.config.restarts:
            break
        restarts.append(reason)
        logger.warning("Training collapsed (%s). It restarts with another seed.", reason)
    if reason is not None:
        start = _start(build, rows, how, history)
        kept = "last trained" if start is None else "untrained"
        logger.warning(
            "Training collapsed with every seed (%s). The %s network is kept.", reason, kept
        )
        network = network if start is None else start
    history.restarts = restarts
    return network, history


def _start(
    build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]],
    rows: LabelledWindows | None,
    how: Tuning,
    history: History,
) -> TextNetwork | None:
    """Return the network before training, or None if it counts as collapsed too."""
    accelerator = make_accelerator(how.device, how.config)
    objective = _built(build, how).to(place(accelerator, how.device))
    network: TextNetwork = objective.network
    for transfer in objective.transfers:
        network.take(transfer.finish())
    worse = from_main(partial(how.watchdog, network, rows, history))
    return None if worse else network


def collapse(
    network: TextNetwork,
    rows: LabelledWindows,
    history: History,
    *,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = row_losses,
) -> str | None:
    """Return why training collapsed, or None if it did not.

    Training collapsed if the loss is not below that of predicting the class shares. It also
    collapsed if the network predicts the same class for every row, although no class has more
    than 90 % of the rows.

    Parameters
    ----------
    network : TextNetwork
    rows : LabelledWindows
        Training rows; the logits of at most 256 of them are checked.
    history : History
        If its last loss is below 90 % of that of the class shares, no logits are computed.
    loss : callable
        Takes logits and truth; returns the loss of each row.
    """
    targets = rows.targets
    if targets is None or not history.losses or targets.codes.dtype.kind == "f":
        return None
    prior = prior_loss(targets, loss)
    if history.losses[-1] < _MAX_SHARE_OF_PRIOR_LOSS * prior:
        return None
    checked = np.random.default_rng(0).permutation(len(targets))[:_ROWS_TO_CHECK]
    logits, truth = logits_of(network, rows, some=checked), targets.codes[checked]
    weights = None if targets.weights is None else targets.weights[checked]
    losses = loss(torch.from_numpy(logits), torch.from_numpy(truth)).numpy()
    mean_loss = float(np.average(losses, weights=weights))
    if not mean_loss < prior:
        return f"its loss {mean_loss:.3f} is not below {prior:.3f}, the loss of the class shares"
    largest = targets.counts.max() / len(targets)
    if (
        not targets.several
        and largest <= _MAX_SHARE_OF_PRIOR_LOSS
        and len(np.unique(logits.argmax(axis=1))) == 1
    ):
        return "it predicts one class for every row"
    return None


def prior_loss(
    targets: Targets, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = row_losses
) -> float:
    """Return the mean loss of predicting the share of each class, or label, for every row.

    It needs no more memory with thousands of classes: rows of a class have the same loss.
    """
    weights = np.ones(len(targets)) if targets.weights is None else targets.weights
    codes: Any = targets.codes
    if targets.several:
        shares = np.average(codes, axis=0, weights=weights)
    else:
        totals = np.bincount(codes, weights, minlength=targets.n_outputs)
        codes = np.flatnonzero(totals)
        shares, weights = totals / totals.sum(), totals[codes]
    if isinstance(loss, LabelLosses):
        shares = loss.shares(shares)
    shares = np.clip(shares, 1e-12, 1 - 1e-12)
    constant = np.log(shares) - (np.log(1 - shares) if targets.several else 0.0)
    size = max(_NUMBERS_AT_ONCE // targets.n_outputs, 1)
    losses = [
        loss(torch.from_numpy(constant).expand(len(block), -1), torch.from_numpy(block))
        for block in (codes[start : start + size] for start in range(0, len(codes), size))
    ]
    return float(np.average(torch.cat(losses), weights=weights))


def _attempt(
    build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]],
    rows: LabelledWindows | None,
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
    with attending_by_products(computing.encoder, where.type):
        history = train(
            learner,
            config=how.config,
            accelerator=accelerator,
            chance=Chance(how.seed + 7919 * rank),  # dropout differs between processes
            score=scored,
            keeper=keeper_of(how, attempt, accelerator.num_processes),
        )
    if is_sharded(objective):
        objective = as_whole(objective, lambda: _built(build, how)).to(where)
        network, transfers = objective.network, objective.transfers
    for transfer in transfers:
        network.take(transfer.finish())
    return network, history


def _learner(
    objective: Objective, rows: LabelledWindows | None, how: Tuning, accelerator: Accelerator
) -> Learner:
    """Build the learner, with the stages and the learning rates of the transfers."""
    transfers, where = objective.transfers, next(objective.parameters()).device
    streams: dict[str, Any] = {} if rows is None else {TASK: rows}
    streams |= {name: stream for t in transfers for name, stream in t.streams().items()}
    # The first transfer selects the trainable weights. Its stages run last.
    stages = [stage for transfer in transfers[1:] for stage in transfer.stages()]
    stages += [s for transfer in transfers[:1] for s in transfer.stages()] or [Stage()]
    ranks = (accelerator.process_index, accelerator.num_processes)
    compares = any(transfer.compares_rows for transfer in transfers)
    by_class = any(transfer.batches_by_class for transfer in transfers)
    if spreads_weights(accelerator):
        check_spread(stages, transfers)

    def feed(stage_number: int, stage: Stage) -> TextFeed:
        seed = how.seed + 100 * stage_number
        names = streams if stage.streams is None else stage.streams
        chosen = {n: streams[n] for n in names}
        # With sharded weights, processes wait for each other in each part.
        parts = compares and not spreads_weights(accelerator)
        feed_of = partial(TextFeed, by_class=by_class, any_length=compares, in_parts=parts)
        return feed_of(chosen, how.config, seed, *ranks, where)

    return Learner(
        objective,
        [(stage, feed(i, stage)) for i, stage in enumerate(stages)],
        rates_of=partial(weight_rates, transfers),
        half=True,
        twin=twin_of(objective, how, accelerator),
        figures=figures_of(objective, how.config),
    )


def _built(build: Callable[[int], tuple[TextNetwork, Sequence[BoundTransfer]]], how: Tuning) -> Any:
    """Build a network and its objective from one seed."""
    with torch_seed(how.seed):
        network, transfers = build(how.seed)
        return Objective(network, how.loss, transfers)


def check_spread(stages: Sequence[Stage], transfers: Sequence[BoundTransfer]) -> None:
    """Check that the stages and the transfers can be trained with sharded weights.

    Raises
    ------
    ConfigError
        If there are several stages, or if a transfer reads the weights.
    """
    if len(stages) > 1:
        raise ConfigError(
            "FSDP cannot change the trainable weights during training, so gradual unfreezing and "
            f"other stages need another launch; got {len(stages)} stages. Launch with --multi_gpu."
        )
    for transfer in transfers:
        if transfer.reads_weights:
            name = type(transfer).__module__.rpartition(".")[2]
            raise ConfigError(
                f"FSDP shards the weights, but a transfer ({name}) needs the full weights. Launch "
                "with --multi_gpu."
            )


def twin_of(objective: Any, how: Tuning, accelerator: Accelerator) -> Bf16Copy | None:
    """Return a bfloat16 copy of the network for computing, or None if that is not possible."""
    where = next(objective.parameters()).device.type
    wanted = how.config.precision in ("auto", "bfloat16") and accelerator.mixed_precision == "no"
    plain = str(accelerator.distributed_type).rpartition(".")[2] in _PLAIN_DISTRIBUTIONS
    if not (wanted and plain and has_bfloat16(where)) or len(objective.network.extras):
        return None
    network = objective.network
    rows = [part for part in network.modules() if isinstance(part, OccurringRows)]
    shared = {id(part.whole[0]): part.whole[0] for part in rows}
    half = copy.deepcopy(network, shared).to(torch.bfloat16)
    half.head.float()  # logits need precision, and the head is cheap
    with_exact_angles(half, network)
    if where == "cpu":
        with_lanes(half.encoder)
    return Bf16Copy(objective.on(half))


def keeper_of(how: Tuning, attempt: int, n_ranks: int) -> Keeper | None:
    """Return the keeper of an attempt's checkpoints, or None if they are not configured."""
    if how.config.checkpoints is None:
        return None
    settings = {**(how.settings or {}), "processes": n_ranks}
    folder = user_path(how.config.checkpoints) / f"attempt-{attempt}"
    return Keeper(folder, how.config.save_steps, settings)
