"""Which of several tasks a step learns from, and how many of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest

WAYS = ("temperature", "proportional", "uniform", "round_robin", "annealed")
_MIN_POWER = 0.2
"""To which power of its size a task is drawn at the end of an annealed training."""


@dataclass(frozen=True)
class Mixing(Spec):
    """How often each of several tasks is learnt from.

    Parameters
    ----------
    way : {"temperature", "proportional", "uniform", "round_robin", "annealed"}
        ``"proportional"`` draws tasks by their sizes, ``"uniform"`` all alike, ``"round_robin"``
        one after the other. ``"temperature"`` draws by sizes to the power of 1 over
        ``temperature`` [1]_. ``"annealed"`` goes from proportional towards uniform as training
        goes on, down to the power 0.2 [2]_.
    temperature : float
        At least 1: 1 is proportional, more is nearer to uniform.
    mixed : bool
        Let each step hold rows of all tasks, in the same shares, instead of rows of one.

    References
    ----------
    .. [1] Arivazhagan et al., "Massively Multilingual Neural Machine Translation in the Wild",
       2019, arXiv:1907.05019.
    .. [2] Stickland and Murray, "BERT and PALs", ICML 2019, arXiv:1902.02671.
    """

    way: str = "temperature"
    temperature: float = 2.0
    mixed: bool = False

    carries: ClassVar[str] = "which task comes when"

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise ConfigError(f"way={self.way!r} is not known. {suggest(str(self.way), WAYS)}")
        if not self.temperature >= 1:
            raise ConfigError(f"temperature must be at least 1, got {self.temperature}.")

    def shares(self, sizes: Sequence[int], progress: float = 0.0) -> FloatArray:
        """Give what share of the steps each task gets: (n_tasks,), summing to 1.

        Parameters
        ----------
        sizes : sequence of int
            Rows of each task.
        progress : float
            Share of the training that is over, from 0 to 1; it matters where it is annealed.

        Examples
        --------
        >>> Mixing("proportional").shares([300, 100]).tolist()
        [0.75, 0.25]
        >>> Mixing("uniform").shares([300, 100]).tolist()
        [0.5, 0.5]
        """
        power = {
            "temperature": 1 / self.temperature,
            "proportional": 1.0,
            "uniform": 0.0,
            "round_robin": 0.0,
            "annealed": 1.0 - (1.0 - _MIN_POWER) * progress,
        }[self.way]
        weights = np.asarray(sizes, np.float64) ** power
        shares: FloatArray = weights / weights.sum()
        return shares

    def order(
        self, sizes: Sequence[int], n_steps: int, *, seed: Any, progress: float = 0.0
    ) -> IntArray:
        """Give the task of each of some steps: (n_steps,).

        Each task gets its share of the steps, up to rounding; the order is chance, but for
        ``"round_robin"``. It is a function of what is given alone, so that all processes, and a
        training that goes on, find the same.

        Examples
        --------
        >>> Mixing("proportional").order([300, 100], 8, seed=0).tolist().count(0)
        6
        >>> Mixing("round_robin").order([300, 100], 4, seed=0).tolist()
        [0, 1, 0, 1]
        """
        if self.way == "round_robin":
            return np.arange(n_steps) % len(sizes)
        counts = apportioned(self.shares(sizes, progress), n_steps)
        tasks = np.repeat(np.arange(len(sizes)), counts)
        shuffled: IntArray = np.random.default_rng(seed).permutation(tasks)
        return shuffled


def apportioned(shares: FloatArray, total: int) -> IntArray:
    """Deal whole numbers by shares, the largest remainders first.

    Examples
    --------
    >>> apportioned(np.array([0.5, 0.3, 0.2]), 4).tolist()
    [2, 1, 1]
    """
    exact = np.asarray(shares) * total
    counts: IntArray = np.floor(exact + 1e-9).astype(np.int64)
    missing = total - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    return counts
