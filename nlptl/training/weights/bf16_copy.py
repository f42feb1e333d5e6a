"""A bfloat16 copy of a network for computing, while the weights stay float32.

Autocast converts every weight at every step and lets most of the network compute in float32. A
permanent copy reuses its memory at each conversion, and computes entirely in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Bf16Copy:
    """Network that computes in bfloat16 in place of the network that is trained.

    Attributes
    ----------
    module : torch.nn.Module
        The copy. Its weights have the names of those of the trained network.
    pairs : list of (Tensor, Tensor)
        Each trained weight and its copy.
    counted : list of (Tensor, Tensor)
        Each buffer of the trained network and its copy.
    sums : dict of int to Tensor
        Memory for the float32 gradient of each trained weight, by ``id`` of the weight.
    """

    module: Any
    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    counted: list[tuple[Any, Any]] = field(default_factory=list)
    sums: dict[int, Any] = field(default_factory=dict)

    def follow(self, module: nn.Module) -> None:
        """Copy the values of the trained network, and which of its weights are trainable."""
        copies = dict(self.module.named_parameters())
        self.pairs, weights = [], dict(module.named_parameters())
        copied, originals = self.module.state_dict(), module.state_dict()
        # The copy updates the buffers, such as running means, because it computes.
        self.counted = [(originals[n], copied[n]) for n in originals if n not in weights]
        for name, weight in weights.items():
            copies[name].requires_grad_(weight.requires_grad)
            copies[name].grad = None
            if weight.requires_grad:
                self.pairs.append((weight, copies[name]))
        self.catch_up()
        for original, copy in self.counted:
            copy.copy_(original)

    def hand_over(self) -> None:
        """Add the copy's gradients to those of the trained weights, and copy the buffers."""
        import torch

        for weight, copy in self.pairs:
            if copy.grad is None:
                continue
            if id(weight) not in self.sums:
                self.sums[id(weight)] = torch.empty_like(weight)
            total = self.sums[id(weight)].copy_(copy.grad)
            weight.grad = total if weight.grad is None else total.add_(weight.grad)
            copy.grad = None
        for original, copy in self.counted:
            original.copy_(copy)

    def catch_up(self) -> None:
        """Copy the values of the trained weights."""
        import torch

        with torch.no_grad():
            for weight, copy in self.pairs:
                copy.copy_(weight)


def with_exact_angles(rounded: nn.Module, exact: nn.Module) -> None:
    """Restore the exact rotary position frequencies in a rounded copy of a network.

    The angle of a position is a multiple of these frequencies. In bfloat16, with 8 significant
    bits, the angles of distant positions would differ from those at prediction.
    """
    parts = dict(rounded.named_modules())
    for name, frequencies in exact.named_buffers():
        owner, _, attribute = name.rpartition(".")
        if attribute.endswith("inv_freq"):
            setattr(parts[owner], attribute, frequencies.detach().clone())
