"""The losses of several tasks on one network. Imports torch: import it where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nlptl.base.protocols import BoundTransfer
from nlptl.training.losses import row_losses
from nlptl.training.networks.text_network import Batch, Outputs
from nlptl.training.tasks.loss_balance import Uncertainty, without_conflict
from nlptl.training.tasks.task_network import TasksNetwork

_BALANCE = "balance"


@dataclass(frozen=True)
class TaskLoss:
    """What one task adds to the loss.

    Attributes
    ----------
    loss : callable
        Takes logits and truth; gives the loss of each row.
    scale : float
        The loss is divided by it: that of knowing nothing but class shares, or the variance of
        numbers, so that tasks of other units count alike.
    weight : float
        What the task counts beside the others.
    """

    loss: Callable[[Any, Any], Any] = row_losses
    scale: float = 1.0
    weight: float = 1.0


class TasksObjective(nn.Module):
    """The loss of several tasks on a pass, as the loop wants it.

    Each pass holds rows of one task or of several. The loss is the plain sum of scale-free
    losses, which matches optimisers made for the purpose [1]_, unless ``balance`` asks for one.

    Parameters
    ----------
    network : TasksNetwork
    tasks : mapping of str to TaskLoss
    transfers : sequence of BoundTransfer
        Their losses are added, their modules learn too.
    balance : {"sum", "uncertainty", "pcgrad"}
        How losses are put together.

    References
    ----------
    .. [1] Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning",
       NeurIPS 2022, arXiv:2201.04122.
    """

    def __init__(
        self,
        network: TasksNetwork,
        tasks: Mapping[str, TaskLoss],
        transfers: Sequence[BoundTransfer] = (),
        *,
        balance: str = "sum",
    ) -> None:
        super().__init__()
        self.network = network
        self.tasks = dict(tasks)
        self.transfers = list(transfers)
        self.balance = balance
        self._no_split_modules = getattr(network.encoder, "_no_split_modules", None)
        for transfer in self.transfers:
            for name, module in transfer.modules().items():
                network.extras[name] = module
        if balance == "uncertainty" and _BALANCE not in network.extras:
            network.extras[_BALANCE] = Uncertainty(len(self.tasks))

    def on(self, network: TasksNetwork) -> TasksObjective:
        """Give the same on another network."""
        return TasksObjective(network, self.tasks, self.transfers, balance=self.balance)

    def forward(self, passed: tuple[Mapping[str, Batch], float], progress: float) -> torch.Tensor:
        """Give the loss: the weighted sum over rows, and the share of this pass in the rest."""
        batches, share = passed
        outputs, losses = {}, {}
        for name, batch in batches.items():
            outputs[name] = self.outputs(name, batch)
            losses[name] = self.loss_of(name, outputs[name])
        total = self._together(losses)
        for transfer in self.transfers:
            further = transfer.loss(outputs, progress)
            if further is not None:
                total = total + further * share
        return total

    def outputs(self, name: str, batch: Batch) -> Outputs:
        """Give what the network says of a batch of one task."""
        self.network.choose(name)
        head = self.network.head[self.network.places[name]]
        if hasattr(head, "outputs"):  # one that looks at tokens instead of texts
            found: Outputs = head.outputs(self.network.encoder, batch)
            return found
        parts = [self.network.features(part) for part in batch.inputs]
        features = parts[0] if len(parts) == 1 else torch.cat(parts)
        return Outputs(features, self.network.logits(name, features), batch)

    def loss_of(self, name: str, found: Outputs) -> torch.Tensor:
        """Give the scale-free loss of a batch of one task, times the weight of the task."""
        task = self.tasks[name]
        losses = task.loss(found.logits, found.batch.truth)
        total: torch.Tensor = (losses * found.batch.weights).sum()
        return total * (task.weight / task.scale)

    def _together(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if self.balance == "uncertainty":
            learnt = self.network.extras[_BALANCE]
            losses = {n: learnt(self.network.places[n], own) for n, own in losses.items()}
        if self.balance == "pcgrad" and len(losses) > 1 and torch.is_grad_enabled():
            return without_conflict(list(losses.values()), self.network)
        return torch.stack(list(losses.values())).sum()
