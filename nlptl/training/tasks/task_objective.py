"""Joint loss of several tasks on one network. Imports torch: import it where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nlptl.base.transfer import BoundTransfer
from nlptl.training.losses import row_losses
from nlptl.training.networks.text_network import (
    Batch,
    Outputs,
    encoded_parts,
    needs_states,
)
from nlptl.training.tasks.loss_balance import Uncertainty, without_conflict
from nlptl.training.tasks.task_network import TasksNetwork

_BALANCE = "balance"


@dataclass(frozen=True)
class TaskLoss:
    """Loss of one task, with its scale and its weight.

    Attributes
    ----------
    loss : callable
        Takes logits and truth; returns the loss of each row.
    scale : float
        Divisor of the loss, so that tasks with different units count equally: the loss of
        predicting the class shares, or the variance of numbers.
    weight : float
        Weight of the task in the sum of the losses.
    """

    loss: Callable[[Any, Any], Any] = row_losses
    scale: float = 1.0
    weight: float = 1.0


class TasksObjective(nn.Module):
    """Module that computes the joint loss of a pass for the training loop.

    Each pass contains rows of one task or of several. By default, the loss is the weighted sum of
    the scaled losses. It performs as well as specialised multi-task optimisers [1]_.

    Parameters
    ----------
    network : TasksNetwork
    tasks : mapping of str to TaskLoss
    transfers : sequence of BoundTransfer
        Their losses are added and their modules are trained too.
    balance : {"sum", "uncertainty", "pcgrad"}
        Method to combine the losses.

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
        self.keep_states = needs_states(self.transfers)
        self._no_split_modules = getattr(network.encoder, "_no_split_modules", None)
        for transfer in self.transfers:
            for name, module in transfer.modules().items():
                network.extras[name] = module
        if balance == "uncertainty" and _BALANCE not in network.extras:
            network.extras[_BALANCE] = Uncertainty(len(self.tasks))

    def on(self, network: TasksNetwork) -> TasksObjective:
        """Return an objective with the same losses for another network."""
        return TasksObjective(network, self.tasks, self.transfers, balance=self.balance)

    def forward(self, passed: tuple[Mapping[str, Batch], float], progress: float) -> torch.Tensor:
        """Return the loss of a pass: weighted row losses plus its share of the transfer losses."""
        batches, share = passed
        outputs, losses = {}, {}
        for name, batch in batches.items():
            outputs[name] = self.outputs(name, batch)
            losses[name] = self.loss_of(name, outputs[name])
        total = self._together(losses, share)
        for transfer in self.transfers:
            transfer_loss = transfer.loss(outputs, progress)
            if transfer_loss is not None:
                total = total + transfer_loss * share
        return total

    def outputs(self, name: str, batch: Batch) -> Outputs:
        """Return the outputs of the network for a batch of one task."""
        self.network.choose(name)
        head: Any = self.network.head[self.network.places[name]]
        if hasattr(head, "outputs"):  # a head on tokens instead of texts
            outputs: Outputs = head.outputs(self.network.encoder, batch)
            return outputs
        features, states = encoded_parts(self.network, batch, keep_states=self.keep_states)
        return Outputs(features, self.network.logits(name, features), batch, states)

    def loss_of(self, name: str, outputs: Outputs) -> torch.Tensor:
        """Return the scaled loss of a batch of one task, times the weight of the task."""
        task = self.tasks[name]
        losses = task.loss(outputs.logits, outputs.batch.truth)
        total: torch.Tensor = (losses * outputs.batch.weights).sum()
        return total * (task.weight / task.scale)

    def _together(self, losses: Mapping[str, torch.Tensor], share: float) -> torch.Tensor:
        """Combine the losses of a pass, which has a share of the step."""
        if self.balance == "uncertainty":
            weigh = self.network.extras[_BALANCE]
            losses = {n: weigh(self.network.places[n], loss, share) for n, loss in losses.items()}
        if self.balance == "pcgrad" and len(losses) > 1 and torch.is_grad_enabled():
            return without_conflict(list(losses.values()), self.network)
        return torch.stack(list(losses.values())).sum()
