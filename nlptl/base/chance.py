"""Chance is passed down as an argument; the user's own generators are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Make torch draw from ``seed`` inside the block, and give the user's state back after it."""
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
