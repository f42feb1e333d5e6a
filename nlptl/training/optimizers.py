"""Which weights move, how far, and how the learning rate goes over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any

from nlptl.training.config import LoopConfig
from nlptl.training.weights.sharding import as_spread

_SMALLEST = 1 / 32


def make_optimizer(module: Any, rate_of: Callable[[str], float], config: LoopConfig) -> Any:
    """Make AdamW; one-dimensional weights (biases, normalisation) do not decay.

    Every group keeps its peak as ``peak``, so that ``set_rate`` can move them all.
    """
    import torch

    groups: dict[tuple[float, float], list[Any]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            decay = config.weight_decay if weight.ndim > 1 else 0.0
            groups.setdefault((rate_of(name), decay), []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": weights, "lr": peak, "peak": peak, "weight_decay": decay}
            for (rate, decay), weights in groups.items()
            for peak in [config.learning_rate * rate]
        ],
        fused=True,  # one pass over the weights: on a processor half of a step is saved
    )


def set_rate(optimizer: Any, share: float) -> None:
    """Set the learning rate of each group to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def rate_share(step: int, steps: int, config: LoopConfig) -> float:
    """Give the share of the peak that the learning rate has at a step.

    Parameters
    ----------
    step : int
        From 0.
    steps : int
        Of the whole schedule.
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
    left = min(1.0, max(0.0, (steps - step) / max(steps - warmup, 1)))
    return _FALLING[config.schedule](left)


_FALLING: MappingProxyType[str, Callable[[float], float]] = MappingProxyType(
    {
        "linear": lambda left: left,
        "cosine": lambda left: 0.5 * (1.0 + math.cos(math.pi * (1.0 - left))),
        "constant": lambda _: 1.0,
        "slanted": lambda left: _SMALLEST + (1.0 - _SMALLEST) * left,
    }
)


def names_of(module: Any, optimizer: Any) -> list[str]:
    """Name the weights of a module in the order of the optimiser's groups."""
    by_id = {id(weight): name for name, weight in module.named_parameters()}
    return [by_id[id(weight)] for group in optimizer.param_groups for weight in group["params"]]


def moments(optimizer: Any, names: Iterable[str]) -> dict[str, Any]:
    """Give what the optimiser remembers, as tensors named after the weights.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    names : iterable of str
        Of its weights, in the order of its groups.
    """
    state = optimizer.state_dict()["state"]
    return {
        f"{kind}:{name}": part
        for place, name in enumerate(names)
        for kind, part in state.get(place, {}).items()
    }


def restore_moments(optimizer: Any, names: Iterable[str], kept: dict[str, Any]) -> None:
    """Give an optimiser back what ``moments`` took from it."""
    found: dict[int, dict[str, Any]] = {}
    places = {name: place for place, name in enumerate(names)}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for key, part in kept.items():
        kind, _, name = key.partition(":")
        weight = weights[places[name]]
        of_weight = part.shape == weight.shape
        spread = as_spread(part, weight) if of_weight else part
        found.setdefault(places[name], {})[kind] = spread
    optimizer.load_state_dict({**optimizer.state_dict(), "state": found})
