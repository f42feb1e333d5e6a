"""Faster dropout on a CPU: it takes four random numbers from each 64-bit number."""

from __future__ import annotations

import torch
from torch import nn

_LANES = 4
_LOWEST = -(2**15)


class LaneDropout(nn.Module):
    """Dropout that takes four 16-bit numbers from each random 64-bit number.

    On a CPU, torch draws one random number per element, one after the other. This layer rounds
    the dropped share to a multiple of 1/65,536.

    Parameters
    ----------
    p : float
        Share of the values that is dropped, at least 0 and below 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Drop values and scale up the others in training mode; else return them unchanged."""
        if not self.training or not self.p:
            return values
        drawn = torch.empty(-(-values.numel() // _LANES), dtype=torch.int64)
        lanes = drawn.random_(-(2**63), None).view(torch.int16)[: values.numel()]
        kept = lanes.view(values.shape) >= _LOWEST + round(self.p * 2**16)
        return values * kept.to(values.dtype).mul_(1 / (1 - self.p))


def with_lanes(model: nn.Module) -> None:
    """Replace torch's dropout layers by ``LaneDropout`` in a model on a CPU."""
    for part in model.modules():
        for name, inner in part.named_children():
            if type(inner) is nn.Dropout and not inner.inplace and 0 < inner.p < 1:
                part.set_submodule(name, LaneDropout(inner.p))
