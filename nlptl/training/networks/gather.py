"""Gathering of the rows of all processes, for losses that compare rows. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import distributed
from torch.nn import functional

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


def from_all(part: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes, in the order of the processes.

    Gradients flow back to the process of each row. Every process must compute the same loss on
    the rows of all processes, and gradients must be averaged over processes, as DDP does. The
    result is then the same as in one process with all rows.

    Parameters
    ----------
    part : Tensor of shape (n, ...)
        The rows of this process; n may differ between processes.

    Returns
    -------
    Tensor of shape (n_all, ...)
        ``part`` itself if there is only one process.
    """
    if n_processes() == 1:
        return part
    counts = [torch.zeros(1, dtype=torch.int64, device=part.device) for _ in range(n_processes())]
    distributed.all_gather(counts, torch.tensor([len(part)], device=part.device))
    lengths = [int(count) for count in counts]
    n_padding = max(lengths) - len(part)
    padded = functional.pad(part, (0, 0) * (part.ndim - 1) + (0, n_padding))
    parts = _Gather.apply(padded)  # type: ignore[no-untyped-call]
    return torch.cat([parts[rank][:length] for rank, length in enumerate(lengths)])


class _Gather(torch.autograd.Function):
    """Stack tensors of the same shape from all processes."""

    @staticmethod
    def forward(_: FunctionCtx, part: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(part) for _ in range(n_processes())]
        distributed.all_gather(parts, part.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(_: FunctionCtx, *gradients: torch.Tensor) -> torch.Tensor:
        summed = gradients[0].contiguous()
        distributed.all_reduce(summed)
        return summed[distributed.get_rank()]


def n_processes() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1
