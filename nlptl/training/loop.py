"""The training loop of all methods; the caller supplies the model, the batches and the loss."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nlptl.base.chance import Chance
from nlptl.base.described import entry, make
from nlptl.base.errors import InputError
from nlptl.base.progress import log_stage, progress_bar
from nlptl.base.transfer import Stage
from nlptl.encoders.contextual.precision import has_bfloat16
from nlptl.storage.untrusted import interpreting
from nlptl.training.checkpoints import (
    Keeper,
    Saved,
    from_arrays,
    random_states,
    restore_random_state,
    to_arrays,
)
from nlptl.training.config import LoopConfig
from nlptl.training.history import History
from nlptl.training.optimizers import (
    Schedule,
    make_optimizer,
    moments,
    names_of,
    restore_moments,
    set_rate,
)
from nlptl.training.processes import check_same, spreads_weights, tracker
from nlptl.training.stopping import Stop, between_steps
from nlptl.training.weights.averaging import Average
from nlptl.training.weights.bf16_copy import Bf16Copy
from nlptl.training.weights.run_weights import RunWeights
from nlptl.training.weights.sharding import gathered, is_sharded

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from torch import nn

__all__ = ["Feed", "History", "Learner", "equal_rates", "train"]

logger = logging.getLogger(__name__)

_STEPS_BETWEEN_LOSS_READS = 10
"""Number of steps after which losses are copied from the device and shown."""


class Feed(Protocol):
    """Source of the batches of a stage; every process agrees on the rows of each step."""

    def __len__(self) -> int:
        """Return the number of steps per epoch."""
        ...

    def passes(self, epoch: int, step: int) -> Sequence[Any]:
        """Return this process's batches for a step, one per forward pass; at least one."""
        ...


def equal_rates(stage: Stage, names: Sequence[str]) -> Mapping[str, float]:
    """Return a factor of 1 on the learning rate of each weight that a stage trains."""
    return dict.fromkeys(stage.trains(names), 1.0)


@dataclass(frozen=True)
class Learner:
    """Model to train, its training stages, and the learning rate of each weight.

    Attributes
    ----------
    module : torch.nn.Module
        Takes a batch and the share of the training that is complete; returns the loss as a
        scalar. Weights that do not require gradients do not change.
    stages : sequence of (Stage, Feed)
        Run one after the other.
    rates_of : callable
        Takes a stage and the names of weights; returns the names of those that the stage trains,
        each with the factor on its learning rate. It is called once per stage.
    half : bool
        True to compute in bfloat16 with ``precision="auto"`` if the device supports it.
    twin : Bf16Copy or None
        Copy of the module in bfloat16 that computes instead of it.
    shards : bool
        True to shard these weights when the launch shards weights over processes (FSDP).
    figures : callable or None
        Returns figures to record at the start and after each stage, by name.
    """

    module: Any
    stages: Sequence[tuple[Stage, Feed]]
    rates_of: Callable[[Stage, Sequence[str]], Mapping[str, float]] = equal_rates
    half: bool = False
    twin: Bf16Copy | None = None
    shards: bool = True
    figures: Callable[[], Mapping[str, float]] | None = None


def train(
    learner: Learner,
    *,
    config: LoopConfig,
    accelerator: Accelerator,
    chance: Chance,
    score: Callable[[nn.Module], float] | None = None,
    keeper: Keeper | None = None,
) -> History:
    """Train a model in place.

    Parameters
    ----------
    learner : Learner
        With ``score``, its module ends with the best weights. Otherwise it ends with the averaged
        weights if ``config.average`` is set, or with the last weights.
    config : LoopConfig
        Settings of the training.
    accelerator : accelerate.Accelerator
        Scales and sums gradients. The model must already be on its device.
    chance : Chance
        Random numbers of every step, including dropout.
    score : callable, optional
        Takes the module; returns a score for early stopping, where higher is better.
    keeper : Keeper, optional
        Writes checkpoints, and reads the one to resume from.

    Returns
    -------
    History

    Raises
    ------
    InputError
        If there are no batches.
    """
    if any(not len(feed) for _, feed in learner.stages):
        raise InputError(
            "Training needs at least one batch, got 0 rows. Pass at least one row to fit."
        )
    run = _Run(learner, config, accelerator, chance, score, keeper)
    saved = None if keeper is None else keeper.newest()
    if keeper is not None and saved is not None:
        with interpreting(keeper.folder, remedy="Remove the newest checkpoint."):
            run.resume(saved)
    check_same(run.taken)
    with tracker(accelerator, config) as log:
        return run.go(log)


@dataclass
class _Run:
    """State of one training run, and its steps."""

    learner: Learner
    config: LoopConfig
    accelerator: Any
    chance: Chance
    score: Callable[[Any], float] | None
    keeper: Keeper | None
    history: History = field(default_factory=History)
    stage: int = 0
    step: int = 0
    over: bool = False
    saved: Saved | None = None
    pending: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        named = dict(self.learner.module.named_parameters())
        self.frozen = {name for name, weight in named.items() if not weight.requires_grad}
        trainable = [name for name in named if name not in self.frozen]
        self.rates = [self.learner.rates_of(stage, trainable) for stage, _ in self.learner.stages]
        never = set(named).difference(*self.rates)
        changing = {n: w for n, w in self.learner.module.state_dict().items() if n not in never}
        average = Average(self.config.average) if self.config.average else None
        self.weights = RunWeights(changing, average)
        self.epoch_lengths = [len(feed) for _, feed in self.learner.stages]
        stages = [stage for stage, _ in self.learner.stages]
        self.schedule = Schedule.of(stages, self.config, epoch_lengths=self.epoch_lengths)
        self.lengths = self.schedule.lengths
        # A stage that ends within an epoch counts as an epoch.
        epochs = [-(-n // per) for n, per in zip(self.lengths, self.epoch_lengths, strict=True)]
        counted = [n for n, stage in zip(epochs, stages, strict=True) if not stage.prepares]
        self.epochs_before_last_stage = sum(counted[:-1])

    def go(self, log: Callable[[dict[str, float], int], None]) -> History:
        """Run all remaining steps."""
        shown = None if not self.config.quiet and self.accelerator.is_main_process else False
        bar = progress_bar(total=sum(self.lengths), unit="step", description="Training", show=shown)
        alone = self.keeper is not None and self.accelerator.num_processes == 1
        with bar, between_steps(wait=alone) as stop:
            bar.update(self.taken)
            if not self.taken:
                self._record_figures()
            while not self.over and self.stage < len(self.lengths):
                self._enter()
                while not self._ends_stage():
                    self._one_step(bar, log, stop)
                if self.over:
                    break
                bar.update(self.lengths[self.stage] - self.step)
                self._record_figures()
                self.stage, self.step = self.stage + 1, 0
            if self.over:
                self._record_figures()
        self._finish()
        return self.history

    @property
    def taken(self) -> int:
        """Number of optimiser steps since the start of the fit."""
        return sum(self.lengths[: self.stage]) + self.step

    @property
    def progress(self) -> float:
        """Share of the steps that are taken, from 0 to 1, without stages that only prepare."""
        counted = [
            0 if stage.prepares else length
            for (stage, _), length in zip(self.learner.stages, self.lengths, strict=True)
        ]
        here = self.step if self.stage < len(counted) and counted[self.stage] else 0
        return (sum(counted[: self.stage]) + here) / max(sum(counted), 1)

    def _ends_stage(self) -> bool:
        """Return True if the current stage has no more steps.

        The result depends only on what checkpoints contain, so that a resumed run ends its stage
        at the same step.
        """
        if self.over or self.step >= self.lengths[self.stage]:
            return True
        ends = self.learner.stages[self.stage][0].ends
        if ends is None or not self.step or self.step % _STEPS_BETWEEN_LOSS_READS:
            return False
        return ends(self.history.steps[-self.step :])

    def _record_figures(self) -> None:
        """Record the figures of the transfers."""
        if self.learner.figures is None:
            return
        with self.weights.averaged(), gathered(self.learner.module):
            figures = self.learner.figures()
        for name, figure in figures.items():
            agreed = _mean_over_processes(figure, self.accelerator)
            self.history.figures.setdefault(name, []).append(agreed)

    def _enter(self) -> None:
        """Prepare a stage: select its trainable weights and build its optimiser."""
        module, rates = self.learner.module, self.rates[self.stage]
        for name, weight in module.named_parameters():
            weight.requires_grad_(name in rates)
            weight.grad = None
        if self.stage:  # the optimiser of the stage before must not unscale gradients again
            self.accelerator.free_memory()
        optimizer = make_optimizer(module, rates, self.config)
        self.names = names_of(module, optimizer)
        twin = self.learner.twin
        if twin is not None:
            twin.follow(module)
        computing = module if twin is None else twin.module
        if self.learner.shards or not spreads_weights(self.accelerator):
            self.model, self.optimizer = self.accelerator.prepare(computing, optimizer)
        else:
            self.model, self.optimizer = computing, optimizer
        if is_sharded(module):
            self.weights.follow(module)
        if self.saved is not None and self.keeper is not None:
            with interpreting(self.keeper.folder, remedy="Remove the newest checkpoint."):
                self._restore(self.saved)
            self.saved = None

    def _one_step(self, bar: Any, log: Callable[[dict[str, float], int], None], stop: Stop) -> None:
        stage, feed = self.learner.stages[self.stage]
        epoch_length = self.epoch_lengths[self.stage]
        epoch, step_in_epoch = divmod(self.step, epoch_length)
        set_rate(self.optimizer, self.schedule.rate_share(self.stage, self.step))
        passes = feed.passes(epoch, step_in_epoch)
        with self.chance.drawing():
            self.pending.append(self._learn_from(passes))
        self.step += 1
        if self.weights.average is not None and not stage.prepares:
            self.weights.average.take_in(self.weights.current, self.progress)
        bar.update(1)
        ends_epoch = step_in_epoch + 1 == epoch_length or self.step == self.lengths[self.stage]
        due = self.keeper is not None and self.keeper.due(self.taken, sum(self.lengths))
        due = due or stop.signal is not None
        reads = len(self.pending) == _STEPS_BETWEEN_LOSS_READS
        reads = reads or (stage.ends is not None and not self.step % _STEPS_BETWEEN_LOSS_READS)
        if ends_epoch or due or reads:
            self._record_losses(log)
            bar.set_postfix(_shown(self.history), refresh=False)
        if ends_epoch and not stage.prepares:
            self._end_epoch(step_in_epoch + 1, log)
        if due or (self.keeper is not None and self._is_done):
            self._save()
        stop.take_effect()

    def _record_losses(self, log: Callable[[dict[str, float], int], None]) -> None:
        """Record the losses of the last steps; call it rarely, since it waits for the device."""
        import torch

        losses = self.accelerator.reduce(torch.stack(self.pending), reduction="mean").tolist()
        self.pending = []
        for step, loss in enumerate(losses, self.taken - len(losses) + 1):
            self.history.steps.append(loss)
            log({"loss": loss}, step)

    @property
    def _is_done(self) -> bool:
        return self.over or self.taken == sum(self.lengths)

    def _learn_from(self, passes: Sequence[Any]) -> Any:
        """Sum the gradients of the passes, take one optimiser step, and return the loss."""
        progress = self.progress
        total: Any = 0.0
        twin = self.learner.twin
        self.model.train()
        self.learner.module.train()
        for index, batch in enumerate(passes):
            is_last = index + 1 == len(passes)  # processes exchange gradients in this pass only
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                with self._precision():
                    loss = self.model(batch, progress)
                self.accelerator.backward(loss)
            total = total + loss.detach().float()
        if twin is not None:
            twin.hand_over()
        self.accelerator.clip_grad_norm_(self.learner.module.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if twin is not None:
            twin.catch_up()
        return total

    def _precision(self) -> AbstractContextManager[Any]:
        """Return the context that sets the number format of a forward pass."""
        import torch

        if self.learner.twin is not None:
            return nullcontext()
        kind = next(self.learner.module.parameters()).device.type
        precision = self.config.precision
        half = precision == "bfloat16" or (precision == "auto" and self.learner.half)
        if half and self.accelerator.mixed_precision == "no" and has_bfloat16(kind):
            return torch.autocast(kind, dtype=torch.bfloat16)
        context: AbstractContextManager[Any] = self.accelerator.autocast()
        return context

    def _end_epoch(self, steps: int, log: Callable[[dict[str, float], int], None]) -> None:
        recent = self.history.steps[-steps:]
        self.history.losses.append(sum(recent) / len(recent))
        epoch = len(self.history.losses)
        if self.score is None:
            self.history.best_epoch = epoch
        else:
            with self.weights.averaged(), gathered(self.learner.module):
                score = self.score(self.learner.module)
                self.history.scores.append(_mean_over_processes(score, self.accelerator))
                if self.history.scores[-1] > max(self.history.scores[:-1], default=float("-inf")):
                    self.history.best_epoch = epoch
                    self.weights.keep_as_best()
            log({"score": self.history.scores[-1]}, self.taken)
            last = self.stage + 1 == len(self.lengths)
            best = max(self.history.best_epoch, self.epochs_before_last_stage)
            self.over = last and epoch - best >= self.config.patience
        if self.accelerator.is_main_process and self.learner.shards:  # not for heads on features
            log_stage(logger, "%s", _line(self.history))

    def _finish(self) -> None:
        self.weights.finish(scored=self.score is not None)
        for name, weight in self.learner.module.named_parameters():
            weight.requires_grad_(name not in self.frozen)
            weight.grad = None

    def _save(self) -> None:
        """Write a checkpoint; it includes the random state of every process."""
        with self.chance.drawing():
            chance = random_states(self.accelerator, _device_of(self.learner.module))
        arrays = {
            **self.weights.to_arrays(),
            **to_arrays(moments(self.optimizer, self.names), "moments"),
            **chance,
        }
        position = {
            "stage": self.stage,
            "step": self.step,
            "over": self.over,
            "averaged": self.weights.average.count if self.weights.average else 0,
            "history": asdict(self.history),
        }
        if self.accelerator.is_main_process and self.keeper is not None:
            self.keeper.save(self.taken, position, arrays)
        self.accelerator.wait_for_everyone()

    def resume(self, saved: Saved) -> None:
        """Restore the state of a checkpoint, except what ``_restore`` sets later."""
        position = saved.position
        self.history = make(History, position["history"])
        self.stage, self.step = entry(position, "stage", int), entry(position, "step", int)
        self.over = entry(position, "over", bool)
        if not 0 <= self.stage <= len(self.lengths) or self.step < 0:
            raise ValueError(
                f"the stage must be from 0 to {len(self.lengths)} and the step at least 0, "
                f"got stage {self.stage} and step {self.step}"
            )
        self.history.resumed_from = self.taken
        self.history.refused += saved.refused
        device = next(iter(self.learner.module.parameters())).device
        self.weights.restore(saved, device)
        self.saved = saved
        logger.warning("Resumed from the checkpoint at step %d.", self.taken)

    def _restore(self, saved: Saved) -> None:
        """Restore the optimiser and the random generators from a checkpoint."""
        self.weights.spread_average()
        restore_moments(self.optimizer, self.names, from_arrays(saved.arrays, "moments"))
        with self.chance.drawing():
            restore_random_state(saved.arrays, self.accelerator, _device_of(self.learner.module))


def _device_of(module: nn.Module) -> torch.device:
    device: torch.device = next(module.parameters()).device
    return device


def _mean_over_processes(score: float, accelerator: Accelerator) -> float:
    """Return the mean of a score over all processes, so that all continue with the same."""
    import torch

    if accelerator.num_processes == 1:
        return score
    local = torch.tensor(score, device=accelerator.device)
    return float(accelerator.reduce(local, reduction="mean"))


def _line(history: History) -> str:
    """Return a line about the last epoch."""
    score = f", score {history.scores[-1]:.3f}" if history.scores else ""
    return f"Epoch {len(history.losses)}: loss {history.losses[-1]:.3f}{score}"


def _shown(history: History) -> dict[str, str]:
    """Return what the progress bar shows."""
    scores = {"score": f"{history.scores[-1]:.3f}"} if history.scores else {}
    return {"loss": f"{history.steps[-1]:.3f}", **scores}
