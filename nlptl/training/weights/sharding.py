"""Weights that lie in parts on several processes, as FSDP2 keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def is_sharded(module: Any) -> bool:
    """Tell whether the weights of a module lie in parts on several processes."""
    return any(_in_parts(weight) for weight in module.parameters())


def whole(tensor: Any) -> Any:
    """Give the whole of a tensor; all processes have to ask for it where it lies in parts."""
    return tensor.full_tensor() if _in_parts(tensor) else tensor


def as_spread(tensor: Any, weight: Any) -> Any:
    """Give a tensor in parts where the weight it belongs to lies in parts."""
    if not _in_parts(weight) or _in_parts(tensor):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(weight.device), weight.device_mesh, weight.placements)


@contextmanager
def gathered(module: Any) -> Iterator[None]:
    """Put the parts together inside the block, so that parts of the module compute by themselves.

    The weights are not to be changed in it.
    """
    parts = [part for part in module.modules() if hasattr(part, "unshard")]
    for part in parts:
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()


def as_whole(module: Any, build: Callable[[], Any]) -> Any:
    """Give a module of the same build and weights, whole in every process."""
    weights = {name: whole(weight) for name, weight in module.state_dict().items()}
    again = build()
    again.load_state_dict(weights)
    return again


def _in_parts(tensor: Any) -> bool:
    return hasattr(tensor, "full_tensor")
