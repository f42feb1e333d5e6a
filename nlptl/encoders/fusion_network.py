"""Network of ``ResidualFusion``. This module imports torch, so import it only when needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ResidualNetwork(nn.Module):
    """Network that projects groups to one width, adds them and refines the sum.

    Parameters
    ----------
    sizes : sequence of int
        Number of columns of each input group, in order.
    width : int
        Size of the output.
    dropout : float
        Dropout rate in training.
    """

    def __init__(self, sizes: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.width = width
        self.projections = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.block = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Join features of shape (n, sum of sizes) into (n, width)."""
        parts = torch.split(features, self.sizes, dim=1)
        projected = [project(part) for project, part in zip(self.projections, parts, strict=True)]
        joined = torch.stack(projected).sum(dim=0)
        refined: Tensor = joined + self.block(joined)
        return refined
