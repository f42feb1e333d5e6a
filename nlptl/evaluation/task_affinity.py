"""Which tasks go together, by the gradients that they had."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from typing_extensions import Self

from nlptl.base.arrays import FloatArray


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
    def of(cls, names: Sequence[str], cosines: Sequence[Any]) -> Self:
        """Make it of one table an epoch, of which there may be none."""
        found = np.array(cosines, np.float64).reshape(-1, len(names), len(names))
        return cls(tuple(names), found)

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
        return cls.of(told["names"], told["cosines"])


def groups_of(affinity: Affinity, apart: Collection[str] = ()) -> list[list[str]]:
    """Join tasks, the best suited first, as long as their gradients agree in the mean.

    Parameters
    ----------
    affinity : Affinity
    apart : collection of str
        Tasks that join no group.
    """
    places = [i for i, name in enumerate(affinity.names) if name not in apart]
    groups = [[i] for i, name in enumerate(affinity.names) if name in apart]
    if len(places) < 2:
        groups += [[i] for i in places]
    else:
        far = 1 - affinity.mean[np.ix_(places, places)]
        tree = hierarchy.average(squareform(far, checks=False))
        of_place = hierarchy.fcluster(tree, t=np.nextafter(1.0, 0.0), criterion="distance")
        groups += [
            [i for i, own in zip(places, of_place, strict=True) if own == group]
            for group in np.unique(of_place)
        ]
    return [[affinity.names[i] for i in group] for group in sorted(groups)]
