"""Ways of putting the losses of several tasks together. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Uncertainty(nn.Module):
    """Weights of losses that are learnt: each task has a noise, of which its weight is the inverse.

    The loss of a task becomes ``exp(-s) * loss + s / 2`` with ``s`` learnt [1]_.

    Parameters
    ----------
    n_tasks : int

    References
    ----------
    .. [1] Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for
       Scene Geometry and Semantics", CVPR 2018, arXiv:1705.07115.
    """

    def __init__(self, n_tasks: int) -> None:
        super().__init__()
        self.logs = nn.Parameter(torch.zeros(n_tasks))

    def forward(self, place: int, loss: torch.Tensor) -> torch.Tensor:
        """Give the loss of the task at a place as it counts."""
        log = self.logs[place]
        return (-log).exp() * loss + log / 2


def without_conflict(losses: Sequence[torch.Tensor], network: Any) -> torch.Tensor:
    """Give a scalar whose gradient is that of the losses, without what works against another.

    Where the gradients of two tasks on the shared weights point against each other, each loses
    its part along the other, as it was before any was changed [1]_. What belongs to one task
    alone keeps its own gradient. Partners are met in the order of the tasks instead of by chance,
    so that all processes and a run that goes on do the same.

    Parameters
    ----------
    losses : sequence of Tensor
        One scalar a task.
    network : TasksNetwork

    References
    ----------
    .. [1] Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, arXiv:2001.06782.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    found = [
        torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True) for loss in losses
    ]
    shared = [all(own[i] is not None for own in found) for i in range(len(weights))]
    flat = [_flat(own, shared) for own in found]
    kept = [_projected(place, flat) for place in range(len(flat))]
    total, start = torch.stack(list(losses)).sum().detach(), 0
    summed, stand_in = torch.stack(kept).sum(dim=0), torch.zeros_like(total)
    for i, weight in enumerate(weights):
        if shared[i]:
            gradient = summed[start : start + weight.numel()].view_as(weight)
            start += weight.numel()
        else:
            own = [each[i] for each in found if each[i] is not None]
            if not own:
                continue
            gradient = torch.stack(own).sum(dim=0)
        stand_in = stand_in + (gradient.detach() * weight).sum().to(stand_in)
    return total + stand_in - stand_in.detach()


def _flat(own: Sequence[Any], shared: Sequence[bool]) -> torch.Tensor:
    return torch.cat([g.flatten() for g, s in zip(own, shared, strict=True) if s])


def _projected(place: int, gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    own = gradients[place].clone()
    for other, against in enumerate(gradients):
        if other == place:
            continue
        dot = torch.dot(own, against)
        if dot < 0:
            own -= dot / against.square().sum().clamp(min=1e-20) * against
    return own
