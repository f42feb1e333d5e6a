"""Dropout whose chance is drawn four numbers at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_LANES = 4
_LOWEST = -(2**15)


class LaneDropout(nn.Module):
    """Dropout that reads four 16-bit numbers off every 64-bit number it draws.

    torch draws one number an element, one after the other on a processor. The share that is
    dropped is exact to 1 in 65,536.

    Parameters
    ----------
    p : float
        Share of the values that is dropped, from 0 to below 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Drop values in training, and scale the others up."""
        if not self.training or not self.p:
            return values
        drawn = torch.empty(-(-values.numel() // _LANES), dtype=torch.int64)
        lanes = drawn.random_(-(2**63), None).view(torch.int16)[: values.numel()]
        kept = lanes.view(values.shape) >= _LOWEST + round(self.p * 2**16)
        return values * kept.to(values.dtype).mul_(1 / (1 - self.p))


def with_lanes(model: Any) -> None:
    """Put quicker dropout in place of torch's own in a model on a processor."""
    for part in model.modules():
        for name, inner in part.named_children():
            if type(inner) is nn.Dropout and not inner.inplace and 0 < inner.p < 1:
                part.set_submodule(name, LaneDropout(inner.p))
