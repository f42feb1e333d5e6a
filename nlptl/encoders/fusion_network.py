"""The network of ``ResidualFusion``; imported only where torch is needed anyway."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ResidualNetwork(nn.Module):
    """Project groups to one width, add them, refine the sum.

    Parameters
    ----------
    sizes : sequence of int
        Columns of each group of the input, in order.
    width : int
        Size of the output.
    dropout : float
        Share of numbers dropped in training.
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
        """Join features (n, sum of sizes) to (n, width)."""
        parts = torch.split(features, self.sizes, dim=1)
        projected = [project(part) for project, part in zip(self.projections, parts, strict=True)]
        joined = torch.stack(projected).sum(dim=0)
        refined: Tensor = joined + self.block(joined)
        return refined
