"""Methods to combine the losses of several tasks. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Uncertainty(nn.Module):
    """Trainable loss weights: the weight of a task is the inverse of its estimated noise.

    The loss of a task in a step becomes ``exp(-s) * loss + s / 2`` with a trained ``s`` per task
    [1]_.

    Parameters
    ----------
    n_tasks : int
        Number of tasks.

    References
    ----------
    .. [1] Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for
       Scene Geometry and Semantics", CVPR 2018, arXiv:1705.07115.
    """

    def __init__(self, n_tasks: int) -> None:
        super().__init__()
        self.logs = nn.Parameter(torch.zeros(n_tasks))

    def forward(self, task: int, loss: torch.Tensor, share: float = 1.0) -> torch.Tensor:
        """Return the weighted loss of the task with this index, for a share of a step."""
        log = self.logs[task]
        return (-log).exp() * loss + share * log / 2


def without_conflict(losses: Sequence[torch.Tensor], network: nn.Module) -> torch.Tensor:
    """Return a scalar whose gradient is the sum of the losses' gradients without conflicts.

    This is PCGrad [1]_, for one forward pass. Two gradients conflict if their dot product on the
    shared weights is negative. Each then loses its component along the unchanged gradient of the
    other. Weights that not all tasks use keep their gradients. Tasks are compared in their order
    instead of a random one, so that all processes and resumed runs get the same result.

    Parameters
    ----------
    losses : sequence of Tensor
        One scalar per task.
    network : TasksNetwork

    References
    ----------
    .. [1] Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, arXiv:2001.06782.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    gradients = [
        torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True) for loss in losses
    ]
    shared = [all(of_task[i] is not None for of_task in gradients) for i in range(len(weights))]
    flat = [_flat(of_task, shared) for of_task in gradients]
    projected = [_projected(task, flat) for task in range(len(flat))]
    total, start = torch.stack(list(losses)).sum().detach(), 0
    summed, stand_in = torch.stack(projected).sum(dim=0), torch.zeros_like(total)
    for i, weight in enumerate(weights):
        if shared[i]:
            gradient = summed[start : start + weight.numel()].view_as(weight)
            start += weight.numel()
        else:
            unshared = [of_task[i] for of_task in gradients if of_task[i] is not None]
            if not unshared:
                continue
            gradient = torch.stack(unshared).sum(dim=0)
        stand_in = stand_in + (gradient.detach() * weight).sum().to(stand_in)
    return total + stand_in - stand_in.detach()


def _flat(gradients: Sequence[torch.Tensor], shared: Sequence[bool]) -> torch.Tensor:
    return torch.cat([g.flatten() for g, s in zip(gradients, shared, strict=True) if s])


def _projected(task: int, gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    projected = gradients[task].clone()
    for other_task, other in enumerate(gradients):
        if other_task == task:
            continue
        dot = torch.dot(projected, other)
        if dot < 0:
            projected -= dot / other.square().sum().clamp(min=1e-20) * other
    return projected
