"""Groups of tasks whose gradients agree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.described import entry
from nlptl.base.inputs import JsonObject


@dataclass(frozen=True, eq=False)
class Affinity:
    """Agreement of the task gradients on the shared weights.

    Attributes
    ----------
    names : tuple of str
        The tasks.
    cosines : ndarray of shape (n_epochs, n_tasks, n_tasks)
        Cosine similarity of the gradients of each pair of tasks, for each epoch. 1 is the same
        direction. Below 0, the tasks work against each other.
    """

    names: tuple[str, ...]
    cosines: FloatArray

    @classmethod
    def of(cls, names: Sequence[str], cosines: Sequence[ArrayLike]) -> Self:
        """Build an affinity from one matrix per epoch. The list may be empty."""
        matrices = np.array(cosines, np.float64).reshape(-1, len(names), len(names))
        return cls(tuple(names), matrices)

    @property
    def mean(self) -> FloatArray:
        """Mean cosine over all epochs, of shape (n_tasks, n_tasks)."""
        if not len(self.cosines):
            return np.eye(len(self.names))
        mean: FloatArray = self.cosines.mean(axis=0)
        return mean

    def conflicts(self) -> dict[tuple[str, str], float]:
        """Return for each pair of tasks the share of epochs with opposing gradients."""
        opposing = (self.cosines < 0).mean(axis=0) if len(self.cosines) else self.mean * 0
        pairs = zip(*np.triu_indices(len(self.names), 1), strict=True)
        return {(self.names[i], self.names[j]): float(opposing[i, j]) for i, j in pairs}

    def to_json(self) -> dict[str, Any]:
        """Return the affinity as JSON values."""
        return {"names": list(self.names), "cosines": self.cosines.tolist()}

    @classmethod
    def from_json(cls, described: JsonObject) -> Self:
        """Build an affinity from the output of ``to_json``."""
        names = entry(described, "names", list[str])
        return cls.of(names, entry(described, "cosines", list[Any]))


def groups_of(affinity: Affinity, separate: Collection[str] = ()) -> list[list[str]]:
    """Group tasks, most similar first, as long as their gradients agree on average.

    Parameters
    ----------
    affinity : Affinity
    separate : collection of str
        Tasks that stay alone.
    """
    joinable = [i for i, name in enumerate(affinity.names) if name not in separate]
    groups = [[i] for i, name in enumerate(affinity.names) if name in separate]
    if len(joinable) < 2:
        groups += [[i] for i in joinable]
    else:
        distances = 1 - affinity.mean[np.ix_(joinable, joinable)]
        tree = hierarchy.average(squareform(distances, checks=False))
        group_numbers = hierarchy.fcluster(tree, t=np.nextafter(1.0, 0.0), criterion="distance")
        groups += [
            [i for i, number in zip(joinable, group_numbers, strict=True) if number == group]
            for group in np.unique(group_numbers)
        ]
    return [[affinity.names[i] for i in group] for group in sorted(groups)]
