"""The one training loop. What is trained, on what and towards what comes from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nlptl.base.errors import InputError
from nlptl.base.progress import progress_bar
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
    model: Any,
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
    model : torch.nn.Module
        Left with its best weights where ``score`` is given, else with its last.
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
    optimizer = _optimizer(model, config)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    stepper = _Stepper(accelerator, optimizer, _schedule(optimizer, config, steps), config)
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
            loss = loss_of(model, batch)
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(model.parameters(), self.config.clip_norm)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            losses.append(loss.detach())
            bar.update(1)
        return float(sum(losses) / len(losses))


def _optimizer(model: Any, config: TrainingConfig) -> Any:
    """AdamW; one-dimensional weights (biases, normalisation) do not decay."""
    import torch

    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in learnt if w.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [w for w in learnt if w.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _schedule(optimizer: Any, config: TrainingConfig, steps: int) -> Any:
    import torch

    warmup = max(1, round(config.warmup_share * steps))

    def share(step: int) -> float:
        rising = (step + 1) / warmup
        falling = (steps - step) / max(steps - warmup, 1)
        return max(0.0, min(1.0, rising, falling))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)
