"""Which tasks go together: by their gradients, and by what training together did to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.estimators.tasks.joining import Together
from nlptl.estimators.tasks.stepping import Standing
from nlptl.evaluation.gate import HURTS


@dataclass(frozen=True, eq=False)
class Affinity:
    """Whether tasks pulled the weights they share the same way.

    Attributes
    ----------
    names : tuple of str
        The tasks.
    cosines : ndarray of shape (n_epochs, n_tasks, n_tasks)
        Of the gradients of each two tasks after each epoch: 1 is the same way, below 0 is
        against each other.
    """

    names: tuple[str, ...]
    cosines: FloatArray

    @classmethod
    def of(cls, together: Together) -> Self:
        """Read it from a joint training."""
        n = len(together.steps)
        found = np.array(together.progress.cosines, np.float64).reshape(-1, n, n)
        return cls(tuple(together.steps), found)

    @property
    def mean(self) -> FloatArray:
        """Over all epochs: (n_tasks, n_tasks)."""
        if not len(self.cosines):
            return np.eye(len(self.names))
        found: FloatArray = self.cosines.mean(axis=0)
        return found

    def conflicts(self) -> dict[tuple[str, str], float]:
        """Give the share of the epochs in which two tasks pulled against each other."""
        against = (self.cosines < 0).mean(axis=0) if len(self.cosines) else self.mean * 0
        pairs = zip(*np.triu_indices(len(self.names), 1), strict=True)
        return {(self.names[i], self.names[j]): float(against[i, j]) for i, j in pairs}

    def to_json(self) -> dict[str, Any]:
        """Describe it with plain JSON values."""
        return {"names": list(self.names), "cosines": self.cosines.tolist()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave."""
        n = len(told["names"])
        return cls(tuple(told["names"]), np.array(told["cosines"], np.float64).reshape(-1, n, n))


def groups_of(affinity: Affinity, standings: Mapping[str, Standing]) -> list[list[str]]:
    """Join tasks, the best suited first, as long as their gradients agree in the mean.

    Parameters
    ----------
    affinity : Affinity
    standings : mapping of str to Standing
        A task that was clearly hurt joins no group.
    """
    hurt = {name for name, standing in standings.items() if standing.says == HURTS}
    groups = [[i] for i, name in enumerate(affinity.names)]
    alone = [[i] for i, name in enumerate(affinity.names) if name in hurt]
    groups, cosines = [group for group in groups if group not in alone], affinity.mean
    while len(groups) > 1:
        apart = np.full((len(groups), len(groups)), -np.inf)
        for a, b in zip(*np.triu_indices(len(groups), 1), strict=True):
            apart[a, b] = cosines[np.ix_(groups[a], groups[b])].mean()
        a, b = np.unravel_index(apart.argmax(), apart.shape)
        if apart[a, b] <= 0:
            break
        groups = [g for i, g in enumerate(groups) if i not in (a, b)] + [groups[a] + groups[b]]
    found = sorted(sorted(group) for group in groups + alone)
    return [[affinity.names[i] for i in group] for group in found]
