"""One encoder with a head for each of several tasks. Imports torch: import it where needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nlptl.training.networks.text_network import TextNetwork


class TasksNetwork(TextNetwork):
    """An encoder that all tasks share, and a head for each.

    What a task has to itself inside the encoder (an adapter, layers of its own) is a module with
    a method ``choose_task(place)``; it is told before each pass whose turn it is.

    Parameters
    ----------
    encoder : torch.nn.Module
    heads : mapping of str to torch.nn.Module
        Of any widths; their order numbers the tasks.
    scales : mapping of str to float
        Features are multiplied by it before the head of the task.
    **how
        As for ``TextNetwork``.
    """

    def __init__(
        self, encoder: Any, heads: Mapping[str, Any], *, scales: Mapping[str, float], **how: Any
    ) -> None:
        # Names of tasks may hold what names of modules must not.
        super().__init__(encoder, nn.ModuleList(heads.values()), scale=1.0, **how)
        self.places = {name: place for place, name in enumerate(heads)}
        self.scales = dict(scales)
        self.apart: dict[int, tuple[Any, Any]] = {}
        """Encoders of single tasks, by their places, with the adapters that make them."""

    def choose(self, task: str) -> None:
        """Let the encoder work for one task."""
        for part in self.encoder.modules():
            chooses: Any = getattr(part, "choose_task", None)
            if chooses is not None:
                chooses(self.places[task])

    def logits(self, task: str, features: torch.Tensor) -> torch.Tensor:
        """Give what the head of a task says of features: (n, n_outputs)."""
        head: Any = self.head[self.places[task]]
        found: torch.Tensor = head(features * self.scales[task])
        return found

    def of(self, task: str) -> TextNetwork:
        """Give the network of one task; it shares all modules with this one."""
        place = self.places[task]
        self.choose(task)
        network = TextNetwork(
            self.apart[place][0] if place in self.apart else self.encoder,
            self.head[place],
            pooling=self.pooling,
            weights=self.weights,  # type: ignore[arg-type]
            scale=self.scales[task],
        )
        network.training = self.training
        return network
