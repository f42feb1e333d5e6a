"""Averages of weights, over training steps or over two trainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlptl.training.weights.sharding import as_spread

if TYPE_CHECKING:
    from torch import Tensor, nn

_MAX_DECAY = 0.999
TAIL = 1 / 3
"""Share of the steps, at the end of training, over which ``"tail"`` averages."""


@dataclass
class Average:
    """Running average of weights.

    Attributes
    ----------
    kind : {"ema", "tail"}
        Exponential moving average from the first step, or plain mean over the last third of the
        steps.
    count : int
        Number of steps in the average.
    sums : dict of str to Tensor
        Current average of each weight.
    """

    kind: str
    count: int = 0
    sums: dict[str, Any] = field(default_factory=dict)

    def take_in(self, weights: Mapping[str, Tensor], progress: float) -> None:
        """Add the weights after a step to the average.

        Parameters
        ----------
        weights : mapping of str to Tensor
        progress : float
            Share of the training that is complete.
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
        # A lower decay at first, so that short runs forget their first steps sooner.
        return min(_MAX_DECAY, (1 + self.count) / (10 + self.count))

    @contextmanager
    def in_place_of(self, weights: Mapping[str, Tensor]) -> Iterator[None]:
        """Replace the weights by their averages inside the block."""
        originals = {name: weights[name].detach().clone() for name in self.sums}
        put(weights, self.sums)
        try:
            yield
        finally:
            put(weights, originals)


def meet(module: nn.Module, other: nn.Module, share: float = 0.5) -> None:
    """Move a module's weights towards those of another one trained from the same start.

    Such trainings end in the same basin of the loss. The average of their weights makes fewer
    errors than each of them [1]_.

    Parameters
    ----------
    module : torch.nn.Module
        Module to change.
    other : torch.nn.Module
        Module with the same layers.
    share : float
        Share of the distance to move; 0.5 gives the mean of both.

    References
    ----------
    .. [1] Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
       accuracy without increasing inference time", ICML 2022, arXiv:2203.05482.
    """
    import torch

    other_weights = other.state_dict()
    with torch.no_grad():
        for name, weight in module.state_dict().items():
            if weight.is_floating_point():
                weight.lerp_(as_spread(other_weights[name], weight), share)


def put(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy values into weights of the same names, in place."""
    import torch

    with torch.no_grad():
        for name, value in values.items():
            weights[name].copy_(as_spread(value, weights[name]))
