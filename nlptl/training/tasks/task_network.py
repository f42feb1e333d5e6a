"""Network with one encoder and one head per task. Imports torch: import it where needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nlptl.base.transfer import NetworkResult
from nlptl.training.networks.text_network import TextNetwork

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TasksNetwork(TextNetwork):
    """Network with an encoder that all tasks share and a head for each task.

    A module in the encoder with separate weights per task, such as an adapter, has a method
    ``choose_task(index)``. The network calls it with the index of the task before each pass.

    Parameters
    ----------
    encoder : torch.nn.Module
    heads : mapping of str to torch.nn.Module
        Heads of any width. Their order sets the indices of the tasks.
    scales : mapping of str to float
        Factor on the features before the head of each task.
    **how
        Options of ``TextNetwork``.

    Attributes
    ----------
    places : dict of str to int
        Index of each task.
    """

    head: nn.ModuleList

    def __init__(
        self,
        encoder: PreTrainedModel,
        heads: Mapping[str, nn.Module],
        *,
        scales: Mapping[str, float],
        **how: Any,
    ) -> None:
        # A list, because names of tasks may contain characters that module names must not.
        super().__init__(encoder, nn.ModuleList(heads.values()), scale=1.0, **how)
        self.places = {name: index for index, name in enumerate(heads)}
        self.scales = dict(scales)
        self.apart: dict[int, tuple[Any, Any]] = {}
        """Separate encoder of a task and the adapter that creates it, by index of the task."""

    def take(self, result: NetworkResult | None) -> None:
        """Take over what a transfer returns, with the encoders of single tasks."""
        super().take(result)
        if result is not None:
            self.apart.update(result.per_task)

    def choose(self, task: str) -> None:
        """Set the task of the next passes in all modules with weights per task."""
        for part in self.encoder.modules():
            chooses: Any = getattr(part, "choose_task", None)
            if chooses is not None:
                chooses(self.places[task])

    def logits(self, task: str, features: torch.Tensor) -> torch.Tensor:
        """Return the logits of a task for features, of shape (n, n_outputs)."""
        head: Any = self.head[self.places[task]]
        logits: torch.Tensor = head(features * self.scales[task])
        return logits

    def of(self, task: str) -> TextNetwork:
        """Return the network of one task; it shares all modules with this network."""
        index = self.places[task]
        self.choose(task)
        network = TextNetwork(
            self.apart[index][0] if index in self.apart else self.encoder,
            self.head[index],
            pooling=self.pooling,
            weights=self.weights,  # type: ignore[arg-type]
            scale=self.scales[task],
        )
        network.training = self.training
        return network
