"""The rows of all processes, where a loss compares rows with each other. Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed
from torch.nn import functional


def from_all(part: torch.Tensor) -> torch.Tensor:
    """Give the rows that all processes hold, in the order of the processes.

    Gradients flow back to the process a row came from. Every process is to make the same loss of
    the rows of all, and gradients are averaged over processes, as DDP does: then the result is
    that of one process with all rows.

    Parameters
    ----------
    part : Tensor of shape (n, ...)
        The rows of this process; n may differ between processes.

    Returns
    -------
    Tensor of shape (n_all, ...)
        ``part`` itself where there is one process.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return part
    counts = [torch.zeros(1, dtype=torch.int64, device=part.device) for _ in range(_size())]
    distributed.all_gather(counts, torch.tensor([len(part)], device=part.device))
    lengths = [int(count) for count in counts]
    beyond = max(lengths) - len(part)
    whole = functional.pad(part, (0, 0) * (part.ndim - 1) + (0, beyond))
    parts = _Gather.apply(whole)  # type: ignore[no-untyped-call]
    return torch.cat([parts[rank][:length] for rank, length in enumerate(lengths)])


class _Gather(torch.autograd.Function):
    """Stack tensors of one shape from all processes."""

    @staticmethod
    def forward(_: Any, part: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(part) for _ in range(_size())]
        distributed.all_gather(parts, part.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(_: Any, *gradients: torch.Tensor) -> torch.Tensor:
        summed = gradients[0].contiguous()
        distributed.all_reduce(summed)
        return summed[distributed.get_rank()]


def _size() -> int:
    return distributed.get_world_size()
