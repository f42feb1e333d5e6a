"""Weights that FSDP2 shards over several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def is_sharded(module: nn.Module) -> bool:
    """Return True if the weights of a module are sharded over several processes."""
    return any(_in_parts(weight) for weight in module.parameters())


def whole(tensor: Any) -> Any:
    """Return the full tensor; if it is sharded, every process must call this function."""
    return tensor.full_tensor() if _in_parts(tensor) else tensor


def as_spread(tensor: Tensor, weight: Any) -> Any:
    """Return a tensor, sharded in the same way as its weight if the weight is sharded."""
    if not _in_parts(weight) or _in_parts(tensor):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(weight.device), weight.device_mesh, weight.placements)


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """Gather sharded weights inside the block, so that submodules can compute on their own.

    Do not change the weights inside the block.
    """
    parts: list[Any] = [part for part in module.modules() if hasattr(part, "unshard")]
    for part in parts:
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()


def as_whole(module: nn.Module, build: Callable[[], nn.Module]) -> Any:
    """Return a copy of a sharded module with full weights in every process.

    Parameters
    ----------
    module : torch.nn.Module
    build : callable
        Returns a new module with the same layers.
    """
    weights = {name: whole(weight) for name, weight in module.state_dict().items()}
    copy = build()
    copy.load_state_dict(weights)
    return copy


def _in_parts(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")
