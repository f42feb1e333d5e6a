"""Averages of weights over the steps of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nlptl.training.weights.sharding import as_spread

_MAX_DECAY = 0.999
TAIL = 1 / 3
"""Share of the steps, at the end, whose weights are averaged evenly."""


@dataclass
class Average:
    """The running average of some weights.

    Attributes
    ----------
    kind : {"ema", "tail"}
        Exponential from the first step, or even over the last third of the steps.
    count : int
        Steps that were taken in.
    sums : dict of str to Tensor
        The average of each weight so far.
    """

    kind: str
    count: int = 0
    sums: dict[str, Any] = field(default_factory=dict)

    def take_in(self, weights: Mapping[str, Any], progress: float) -> None:
        """Take in the weights after a step.

        Parameters
        ----------
        weights : mapping of str to Tensor
        progress : float
            Share of the training that is over.
        """
        if self.kind == "tail" and progress <= 1 - TAIL + 1e-9:
            return
        self.count += 1
        new = 1 / self.count if self.kind == "tail" else 1 - self._decay()
        for name, weight in weights.items():
            if not weight.is_floating_point():
                continue
            if name in self.sums:
                self.sums[name].lerp_(weight.detach(), new)
            else:
                self.sums[name] = weight.detach().clone()

    def _decay(self) -> float:
        # Short runs forget their beginning sooner.
        return min(_MAX_DECAY, (1 + self.count) / (10 + self.count))

    @contextmanager
    def in_place_of(self, weights: Mapping[str, Any]) -> Iterator[None]:
        """Put the averages in place of the weights inside the block."""
        kept = {name: weights[name].detach().clone() for name in self.sums}
        put(weights, self.sums)
        try:
            yield
        finally:
            put(weights, kept)


def meet(module: Any, other: Any, share: float = 0.5) -> None:
    """Move a module's weights towards those of another, trained from the same start.

    Such trainings end in one basin, and the middle of it errs less than each of them [1]_.

    Parameters
    ----------
    module : torch.nn.Module
        What is changed.
    other : torch.nn.Module
        Of the same build.
    share : float
        Of the way; a half ends in the middle of two.

    References
    ----------
    .. [1] Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
       accuracy without increasing inference time", ICML 2022, arXiv:2203.05482.
    """
    import torch

    further = other.state_dict()
    with torch.no_grad():
        for name, weight in module.state_dict().items():
            if weight.is_floating_point():
                weight.lerp_(as_spread(further[name], weight), share)


def put(weights: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Copy values into weights of the same names, in place."""
    import torch

    with torch.no_grad():
        for name, value in values.items():
            weights[name].copy_(as_spread(value, weights[name]))
