"""Joint training of one network on several tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from nlptl.base.chance import Chance, torch_seed
from nlptl.base.streams import Hiding
from nlptl.base.transfer import BoundTransfer, Stage
from nlptl.data.mixing import Mixing
from nlptl.training.history import History
from nlptl.training.loop import Learner, train
from nlptl.training.networks.attention import attending_by_products
from nlptl.training.networks.text_network import LabelledWindows, TextNetwork
from nlptl.training.networks.text_training import (
    Tuning,
    check_spread,
    keeper_of,
    twin_of,
)
from nlptl.training.processes import from_main, make_accelerator, place, spreads_weights
from nlptl.training.tasks.gradient_affinity import cosines, probes
from nlptl.training.tasks.task_feed import TasksFeed
from nlptl.training.tasks.task_network import TasksNetwork
from nlptl.training.tasks.task_objective import TaskLoss, TasksObjective
from nlptl.training.tasks.task_progress import Progress, ProgressKeeper
from nlptl.training.weights.rates import weight_rates
from nlptl.training.weights.sharding import as_whole, is_sharded

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn

Build = Callable[[int], tuple[TasksNetwork, Sequence[BoundTransfer]]]
Score = Callable[[TextNetwork], float]

_BALANCE_RATE = 50.0
"""Factor on the learning rate of loss weights, since they change by about 0.1, not 0.001."""


@dataclass(frozen=True)
class Joint:
    """Rows, losses and scores of the tasks that are trained together.

    Attributes
    ----------
    rows : mapping of str to LabelledWindows
        Training rows of each task.
    losses : mapping of str to TaskLoss
        Loss of each task.
    scores : mapping of str to callable
        Takes the network of a task; returns its score on held-out rows, where higher is better.
    mixing : Mixing
        How often each task is used.
    balance : {"sum", "uncertainty", "pcgrad"}
        Method to combine the losses.
    compares : bool
        True to compare the gradients of the tasks after each epoch.
    hides : mapping of str to callable
        How tokens are hidden in the rows of a task; other tasks hide none.
    """

    rows: Mapping[str, LabelledWindows]
    losses: Mapping[str, TaskLoss]
    scores: Mapping[str, Score] = field(default_factory=dict)
    mixing: Mixing = field(default_factory=Mixing)
    balance: str = "sum"
    compares: bool = True
    hides: Mapping[str, Hiding] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TasksResult:
    """Trained network of several tasks, with the record of its training.

    Attributes
    ----------
    network : TasksNetwork
    history : History
    progress : Progress
        Scores and gradient similarities of the tasks.
    steps : dict of str to int
        Number of optimiser steps that trained each task.
    """

    network: TasksNetwork
    history: History
    progress: Progress
    steps: dict[str, int]


def tune_tasks(build: Build, joint: Joint, how: Tuning) -> TasksResult:
    """Train a network on several tasks.

    Parameters
    ----------
    build : callable
        Takes a seed; returns a network that is ready to train, and the transfers bound to it.
    joint : Joint
    how : Tuning
        Its ``loss`` is not used, because each task has its own loss.
    """
    accelerator = make_accelerator(how.device, how.config)
    where, rank = place(accelerator, how.device), accelerator.process_index
    objective = _built(build, joint, how).to(where)
    if how.config.checkpoint_activations:
        objective.network.encoder.gradient_checkpointing_enable({"use_reentrant": False})
    progress = Progress(how.config.patience)
    learner, feed = _learner(objective, joint, how, accelerator, progress)
    twin = learner.twin
    computing = objective.network if twin is None else twin.module.network
    keeper = keeper_of(how, 0, accelerator.num_processes)
    with attending_by_products(computing.encoder, where.type):
        history = train(
            learner,
            config=how.config,
            accelerator=accelerator,
            chance=Chance(how.seed + 7919 * rank),  # dropout differs between processes
            score=partial(_judge, learner, joint, feed, progress, how.config.keep == "best"),
            keeper=None if keeper is None else ProgressKeeper.of(keeper, progress),
        )
    if is_sharded(objective):
        objective = as_whole(objective, lambda: _built(build, joint, how)).to(where)
    steps = feed.steps_of(len(history.steps))
    for transfer in objective.transfers:
        objective.network.take(transfer.finish())
    return TasksResult(objective.network, history, progress, steps)


def _judge(
    learner: Learner,
    joint: Joint,
    feed: TasksFeed,
    progress: Progress,
    best: bool,
    _: nn.Module,
) -> float:
    """Record the score of each task; return their mean, or else the number of the epoch.

    The number of the epoch is returned if ``best`` is False or no task has a score. It rises
    with every epoch, so that the loop keeps the last weights.
    """
    objective: Any = learner.module
    network = objective.network
    compares = joint.compares and len(joint.rows) > 1 and not is_sharded(objective)
    computing: Any = objective if learner.twin is None else learner.twin.module
    similarities = cosines(computing, probes(feed)).tolist() if compares else []
    scores = {name: score(network.of(name)) for name, score in joint.scores.items()}
    agreed: dict[str, float] = from_main(lambda: scores)
    progress.take(agreed, from_main(lambda: similarities))
    if not best or not agreed:
        return float(len(progress.cosines))
    return float(sum(agreed.values()) / len(agreed))


def _built(build: Build, joint: Joint, how: Tuning) -> TasksObjective:
    with torch_seed(how.seed):
        network, transfers = build(how.seed)
        return TasksObjective(network, joint.losses, transfers, balance=joint.balance)


def _learner(
    objective: TasksObjective,
    joint: Joint,
    how: Tuning,
    accelerator: Accelerator,
    progress: Progress,
) -> tuple[Learner, TasksFeed]:
    """Build the learner and its batches."""
    transfers, where = objective.transfers, next(objective.parameters()).device
    if spreads_weights(accelerator):
        check_spread([Stage()], transfers)
    ranks = (accelerator.process_index, accelerator.num_processes)
    feed = TasksFeed(
        joint.rows,
        how.config,
        joint.mixing,
        how.seed,
        *ranks,
        where,
        stopped=progress.stopped,
        hides=joint.hides,
    )
    learner = Learner(
        objective,
        [(Stage(), feed)],
        rates_of=partial(_rates, transfers),
        half=True,
        twin=twin_of(objective, how, accelerator),
    )
    return learner, feed


def _rates(
    transfers: Sequence[BoundTransfer], stage: Stage, names: Sequence[str]
) -> dict[str, float]:
    """Return the factors on the learning rates; weights of losses are trained faster."""
    rates = weight_rates(transfers, stage, names)
    return rates | {n: _BALANCE_RATE for n in rates if ".extras.balance." in n}
