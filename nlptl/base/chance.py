"""Seeded draws from torch's generators, which all threads of a process share.

torch has one generator per process and device. Blocks that draw from it run one at a time. Each
block restores the state of the generators when it ends. A training run holds the lock for one
step only, so that other threads can train, load and save between its steps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import RLock, local
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_LOCK = RLock()
_THREAD = local()


class Chance:
    """Stream of torch's random numbers that continues from block to block.

    Parameters
    ----------
    seed : int
        Seed of the first block.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._states: dict[str, Any] | None = None

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw from this stream inside the block; other threads wait before they draw."""
        import torch

        with _LOCK:
            outside, depth = _states(), _depth()
            try:
                _THREAD.depth = depth + 1
                if self._states is None:
                    torch.manual_seed(self._seed)
                else:
                    _restore(self._states)
                yield
            finally:
                self._states = _states()
                _restore(outside)
                _THREAD.depth = depth


def torch_seed(seed: int) -> AbstractContextManager[None]:
    """Seed torch with ``seed`` inside the block, and restore the user's state after it."""
    return Chance(seed).drawing()


@contextmanager
def sheltered() -> Iterator[None]:
    """Protect the user's generators from draws whose values are not used.

    New layers draw initial weights that are overwritten later. Inside a seeded block, this
    function does nothing: the draws then belong to that block.
    """
    with _LOCK:
        if _depth():
            yield
            return
        with torch_seed(0):
            yield


def _depth() -> int:
    """Return the number of open blocks in this thread."""
    return getattr(_THREAD, "depth", 0)


def _states() -> dict[str, Any]:
    import torch

    devices = range(torch.cuda.device_count())
    gpu_states = {f"cuda:{device}": torch.cuda.get_rng_state(device) for device in devices}
    return {"cpu": torch.get_rng_state(), **gpu_states}


def _restore(states: Mapping[str, torch.Tensor]) -> None:
    import torch

    for device, state in states.items():
        if device == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, device)


def _free_lock() -> None:
    """Replace the lock in a forked process: only the parent has the thread that holds it."""
    global _LOCK  # noqa: PLW0603 - no public method frees a lock that another thread holds
    _LOCK = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_lock)
