"""Choice of the task, and of its number of rows, for each step of multi-task training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest

WAYS = ("temperature", "proportional", "uniform", "round_robin", "annealed")
_MIN_POWER = 0.2
"""Power of the task sizes at the end of an annealed training."""


@dataclass(frozen=True)
class Mixing(Spec):
    """Sampling of tasks in multi-task training: the share of the steps per task.

    Parameters
    ----------
    way : {"temperature", "proportional", "uniform", "round_robin", "annealed"}
        ``"proportional"`` samples tasks in proportion to their sizes, ``"uniform"`` with equal
        probability, ``"round_robin"`` in turn. ``"temperature"`` uses the sizes to the power of
        1 / ``temperature`` [1]_. ``"annealed"`` moves from proportional towards uniform during the
        training, from power 1 down to power 0.2 [2]_.
    temperature : float
        At least 1. The value 1 is proportional; higher values are closer to uniform.
    mixed : bool
        True if each step holds rows of all tasks in these shares, False if it holds rows of one
        task.

    References
    ----------
    .. [1] Arivazhagan et al., "Massively Multilingual Neural Machine Translation in the Wild",
       2019, arXiv:1907.05019.
    .. [2] Stickland and Murray, "BERT and PALs", ICML 2019, arXiv:1902.02671.
    """

    way: str = "temperature"
    temperature: float = 2.0
    mixed: bool = False

    carries: ClassVar[str] = "the order of the tasks"

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise ConfigError(f"way={self.way!r} is not known. {suggest(str(self.way), WAYS)}")
        if self.mixed and self.way == "annealed":
            raise ConfigError(
                "way='annealed' changes the shares during the training, but steps with rows of all "
                "tasks (mixed=True, balance='pcgrad') have fixed shares. Choose another way."
            )
        if not self.temperature >= 1:
            raise ConfigError(
                f"temperature must be at least 1, got {self.temperature}. Use 1 for proportional."
            )

    def shares(self, sizes: Sequence[int], progress: float = 0.0) -> FloatArray:
        """Return the share of the steps per task: an array (n_tasks,) that sums to 1.

        Parameters
        ----------
        sizes : sequence of int
            Number of rows per task.
        progress : float
            Completed share of the training, from 0 to 1; only ``"annealed"`` uses it.

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
        self,
        sizes: Sequence[int],
        n_steps: int,
        *,
        seed: int | Sequence[int],
        progress: float = 0.0,
    ) -> IntArray:
        """Return the number of the task of each step: (n_steps,).

        Each task gets its share of the steps, up to rounding. The order is random, except for
        ``"round_robin"``. It depends on the arguments only, so all processes, and a resumed
        training, get the same order.

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
    """Round shares of a total to integers with this sum, by the largest remainders.

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
