"""The optimiser, its learning rate schedule, and saving and restoring its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nlptl.base.transfer import Stage
from nlptl.training.config import LoopConfig
from nlptl.training.weights.sharding import as_spread

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

_SMALLEST = 1 / 32


def make_optimizer(module: nn.Module, rates: Mapping[str, float], config: LoopConfig) -> Any:
    """Build AdamW; one-dimensional weights (biases, normalisation) do not decay.

    Each parameter group stores its peak learning rate as ``peak``, which ``set_rate`` uses.

    Parameters
    ----------
    module : torch.nn.Module
    rates : mapping of str to float
        Factor on the learning rate of each weight that requires gradients.
    config : LoopConfig
        Its learning rate and weight decay.
    """
    import torch

    groups: dict[tuple[float, float], list[Any]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            decay = config.weight_decay if weight.ndim > 1 else 0.0
            groups.setdefault((rates[name], decay), []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": weights, "lr": peak, "peak": peak, "weight_decay": decay}
            for (rate, decay), weights in groups.items()
            for peak in [config.learning_rate * rate]
        ],
        fused=True,  # one pass over the weights: halves the time of a step on a CPU
    )


def set_rate(optimizer: Optimizer, share: float) -> None:
    """Set the learning rate of each parameter group to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def rate_share(step: int, steps: int, config: LoopConfig) -> float:
    """Return the learning rate at a step as a share of its peak.

    Parameters
    ----------
    step : int
        Number of the step, counted from 0.
    steps : int
        Number of steps of the whole schedule.
    config : LoopConfig
        Its warm-up and schedule.

    Examples
    --------
    >>> config = LoopConfig(warmup_share=0.5)
    >>> [rate_share(step, 4, config) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    warmup = max(1, round(config.warmup_share * steps))
    if step + 1 < warmup:
        return (step + 1) / warmup
    remaining = min(1.0, max(0.0, (steps - step) / max(steps - warmup, 1)))
    return _FALLING[config.schedule](remaining)


_FALLING: MappingProxyType[str, Callable[[float], float]] = MappingProxyType(
    {
        "linear": lambda remaining: remaining,
        "cosine": lambda remaining: 0.5 * (1.0 + math.cos(math.pi * (1.0 - remaining))),
        "constant": lambda _: 1.0,
        "slanted": lambda remaining: _SMALLEST + (1.0 - _SMALLEST) * remaining,
    }
)


@dataclass(frozen=True)
class Schedule:
    """Number of steps of each stage, and the learning rate of each step.

    Attributes
    ----------
    stages : sequence of Stage
    lengths : sequence of int
        Number of steps of each stage.
    config : LoopConfig
        Its warm-up and schedule.
    """

    stages: Sequence[Stage]
    lengths: Sequence[int]
    config: LoopConfig

    @classmethod
    def of(
        cls, stages: Sequence[Stage], config: LoopConfig, *, epoch_lengths: Sequence[int]
    ) -> Schedule:
        """Divide all steps among the stages by their shares.

        Stages with a number of steps of their own have them in addition.

        Parameters
        ----------
        stages : sequence of Stage
        config : LoopConfig
            Its number of epochs or of steps.
        epoch_lengths : sequence of int
            Number of steps of an epoch of each stage. The longest one counts.
        """
        shared = [index for index, stage in enumerate(stages) if stage.steps is None]
        longest = max((epoch_lengths[index] for index in shared), default=0)
        total = config.max_steps or config.epochs * longest
        shares = [stages[index].share for index in shared]
        ends = [round(total * sum(shares[: i + 1]) / sum(shares)) for i in range(len(shares))]
        parts = iter(max(end - start, 0) for start, end in zip([0, *ends], ends, strict=False))
        lengths = [next(parts) if stage.steps is None else stage.steps for stage in stages]
        return cls(stages, lengths, config)

    def rate_share(self, stage: int, step: int) -> float:
        """Return the learning rate at a step of a stage as a share of its peak.

        Stages without a fresh schedule continue the schedule of the stage before them.
        """
        first = last = stage
        while first and not self.stages[first].fresh_schedule:
            first -= 1
        while last + 1 < len(self.stages) and not self.stages[last + 1].fresh_schedule:
            last += 1
        before = sum(self.lengths[first:stage])
        return rate_share(before + step, sum(self.lengths[first : last + 1]), self.config)


def names_of(module: nn.Module, optimizer: Optimizer) -> list[str]:
    """Return the names of a module's weights in the order of the optimiser's groups."""
    by_id = {id(weight): name for name, weight in module.named_parameters()}
    return [by_id[id(weight)] for group in optimizer.param_groups for weight in group["params"]]


def moments(optimizer: Optimizer, names: Iterable[str]) -> dict[str, Any]:
    """Return the state of the optimiser (moments, step counts), named after the weights.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    names : iterable of str
        Names of its weights, in the order of its groups.
    """
    state = optimizer.state_dict()["state"]
    return {
        f"{kind}:{name}": part
        for index, name in enumerate(names)
        for kind, part in state.get(index, {}).items()
    }


def restore_moments(optimizer: Optimizer, names: Iterable[str], saved: dict[str, Tensor]) -> None:
    """Restore the optimiser state that ``moments`` returned."""
    state: dict[int, dict[str, Any]] = {}
    indices = {name: index for index, name in enumerate(names)}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for key, part in saved.items():
        kind, _, name = key.partition(":")
        weight = weights[indices[name]]
        has_weight_shape = part.shape == weight.shape  # a step count is a scalar
        spread = as_spread(part, weight) if has_weight_shape else part
        state.setdefault(indices[name], {})[kind] = spread
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
