"""A copy of a network in bfloat16 to compute with, while weights and their sums stay float32.

Autocast converts every weight at every step and lets most of the network compute in float32. A
copy that is kept is converted into memory that is there already, and computes in half the bytes
throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Bf16Copy:
    """A network that computes, beside the one that learns.

    Attributes
    ----------
    module : torch.nn.Module
        With the weights of the one that learns under the same names, in fewer digits.
    """

    module: Any
    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    counted: list[tuple[Any, Any]] = field(default_factory=list)
    sums: dict[int, Any] = field(default_factory=dict)

    def follow(self, module: Any) -> None:
        """Take over from the network that learns which weights do, and their values."""
        own = dict(self.module.named_parameters())
        self.pairs, weights = [], dict(module.named_parameters())
        copied, kept = self.module.state_dict(), module.state_dict()
        # What is no weight (the running means of a normalisation) is counted by what computes.
        self.counted = [(kept[name], copied[name]) for name in kept if name not in weights]
        for name, weight in weights.items():
            own[name].requires_grad_(weight.requires_grad)
            own[name].grad = None
            if weight.requires_grad:
                self.pairs.append((weight, own[name]))
        self.catch_up()
        for first, copy in self.counted:
            copy.copy_(first)

    def hand_over(self) -> None:
        """Give gradients to the weights that learn, added to those they have themselves."""
        import torch

        for weight, copy in self.pairs:
            if copy.grad is None:
                continue
            if id(weight) not in self.sums:
                self.sums[id(weight)] = torch.empty_like(weight)
            total = self.sums[id(weight)].copy_(copy.grad)
            weight.grad = total if weight.grad is None else total.add_(weight.grad)
            copy.grad = None
        for first, copy in self.counted:
            first.copy_(copy)

    def catch_up(self) -> None:
        """Take over the values of the weights that learn."""
        import torch

        with torch.no_grad():
            for weight, copy in self.pairs:
                copy.copy_(weight)


def with_exact_angles(rounded: Any, exact: Any) -> None:
    """Give a rounded copy of a network the frequencies of its rotary positions unrounded.

    Angles are multiples of them: eight digits of two bytes would turn far positions elsewhere
    than where prediction finds them.
    """
    parts = dict(rounded.named_modules())
    for name, frequencies in exact.named_buffers():
        owner, _, own = name.rpartition(".")
        if own.endswith("inv_freq"):
            setattr(parts[owner], own, frequencies.detach().clone())
