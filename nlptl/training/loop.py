"""The one training loop. What is trained, on what and towards what comes from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nlptl.base.errors import InputError
from nlptl.base.progress import progress_bar
from nlptl.encoders.contextual.precision import has_bfloat16
from nlptl.encoders.contextual.shelf import default_device
from nlptl.training.config import TrainingConfig


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    losses : list of float
        Mean loss of each epoch.
    scores : list of float
        Score on held-out rows after each epoch; empty where there were none.
    best_epoch : int
        The epoch, counted from 1, whose weights were kept.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_epoch: int = 0


@dataclass(frozen=True)
class Learner:
    """What is trained, and how fast each part of it.

    Attributes
    ----------
    module : torch.nn.Module
        Weights that do not require gradients stay as they are.
    rate_of : callable
        Takes the name of a weight; gives the factor on its learning rate.
    half : bool
        Compute in bfloat16 where the device has it; weights and their sums stay float32.
    """

    module: Any
    rate_of: Callable[[str], float] = lambda _: 1.0
    half: bool = False


def make_accelerator(device: str | None) -> Any:
    """Give an Accelerator; None takes the device that the launcher or the machine offers.

    Accelerate keeps one state a process. Where a single process asks for a device of another
    kind than before, that state is made anew. ``place`` says where models and batches go.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    on_processor = (device or default_device()).startswith("cpu")
    if PartialState._shared_state and PartialState().num_processes == 1:
        is_on_processor = PartialState().device.type == "cpu"
        if on_processor != is_on_processor:
            AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=on_processor, device_placement=False)


def place(accelerator: Any, device: str | None) -> Any:
    """Give the torch device of this process: the one asked for, else the accelerator's."""
    import torch

    return accelerator.device if device is None else torch.device(device)


def train(
    learner: Learner,
    batches: Callable[[int], Iterable[Any]],
    *,
    loss_of: Callable[[Any, Any], Any],
    config: TrainingConfig,
    accelerator: Any,
    score: Callable[[Any], float] | None = None,
) -> History:
    """Train a model in place.

    Parameters
    ----------
    learner : Learner
        Its module is left with its best weights where ``score`` is given, else with its last.
    batches : callable
        Takes the number of the epoch, from 0, and gives its batches.
    loss_of : callable
        Takes the model and a batch; gives the mean loss of the batch as a scalar tensor.
    config : TrainingConfig
        How long and how fast.
    accelerator : accelerate.Accelerator
        Scales and sums gradients. The model is where it is to be trained already.
    score : callable, optional
        Takes the model; gives a number, the higher the better, for early stopping.

    Returns
    -------
    History

    Raises
    ------
    InputError
        If there are no batches.
    """
    steps = config.epochs * sum(1 for _ in batches(0))
    if not steps:
        raise InputError("There are no batches to train on: 0 rows were given.")
    model = learner.module
    optimizer = _optimizer(learner, config)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    schedule = _schedule(optimizer, config, steps)
    stepper = _Stepper(accelerator, optimizer, schedule, config, learner.half)
    history, best = History(), copy.deepcopy(model.state_dict())
    with progress_bar(total=steps, unit="step", description="Training") as bar:
        for epoch in range(config.epochs):
            history.losses.append(stepper.run_epoch(prepared, batches(epoch), loss_of, bar))
            if score is None:
                history.best_epoch = epoch + 1
                continue
            history.scores.append(score(model))
            if history.scores[-1] > max(history.scores[:-1], default=float("-inf")):
                history.best_epoch, best = epoch + 1, copy.deepcopy(model.state_dict())
            if epoch + 1 - history.best_epoch >= config.patience:
                break
    if score is not None:
        model.load_state_dict(best)
    return history


@dataclass(frozen=True)
class _Stepper:
    """What turns a loss into a step."""

    accelerator: Any
    optimizer: Any
    schedule: Any
    config: TrainingConfig
    half: bool

    def run_epoch(
        self,
        model: Any,
        batches: Iterable[Any],
        loss_of: Callable[[Any, Any], Any],
        bar: Any,
    ) -> float:
        """Train one pass over ``batches``; give the mean loss a batch."""
        losses = []
        model.train()
        for batch in batches:
            with self._precision(model):
                loss = loss_of(model, batch)
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(model.parameters(), self.config.clip_norm)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            losses.append(loss.detach())
            bar.update(1)
        return float(sum(losses) / len(losses))

    def _precision(self, model: Any) -> Any:
        """Choose the numbers that a forward pass computes with."""
        import torch

        kind = next(model.parameters()).device.type
        if self.half and self.accelerator.mixed_precision == "no" and has_bfloat16(kind):
            return torch.autocast(kind, dtype=torch.bfloat16)
        return self.accelerator.autocast()


def _optimizer(learner: Learner, config: TrainingConfig) -> Any:
    """AdamW; one-dimensional weights (biases, normalisation) do not decay."""
    import torch

    groups: dict[tuple[float, float], list[Any]] = {}
    for name, weight in learner.module.named_parameters():
        if weight.requires_grad:
            decay = config.weight_decay if weight.ndim > 1 else 0.0
            groups.setdefault((learner.rate_of(name), decay), []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": weights, "lr": config.learning_rate * rate, "weight_decay": decay}
            for (rate, decay), weights in groups.items()
        ],
        fused=True,  # one pass over the weights: on a processor half of a step is saved
    )


def _schedule(optimizer: Any, config: TrainingConfig, steps: int) -> Any:
    import torch

    warmup = max(1, round(config.warmup_share * steps))

    def share(step: int) -> float:
        rising = (step + 1) / warmup
        falling = (steps - step) / max(steps - warmup, 1)
        return max(0.0, min(1.0, rising, falling))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)
