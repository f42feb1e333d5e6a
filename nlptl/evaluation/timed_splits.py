"""Splits that end when time is up, and ask nothing that no model could know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.data.labels import LabelValues, are_lists
from nlptl.evaluation.judge import Splits

MIN_SPLITS = 2

_Split = tuple[IntArray, IntArray]


@dataclass(frozen=True, kw_only=True)
class TimedSplits(Splits):
    """Splits that end early, though not before the second, when time is up.

    Rows of a class that a split has none of to learn from are not asked for; splits that would
    ask for nothing, or learn from one class alone, are left out.

    Attributes
    ----------
    goes_on : callable
        Says whether there is time for another split.
    """

    goes_on: Callable[[], bool] = lambda: True

    def of(self, answers: LabelValues, *, numeric: bool = False) -> list[_Split]:
        """Give the rows to learn from and to test on, for each split."""
        dealt = super().of(answers, numeric=numeric)
        if not (numeric or are_lists(answers)):
            names = np.array([repr(answer) for answer in answers])
            dealt = [(seen, _known(names, seen, hidden)) for seen, hidden in dealt]
            dealt = [(s, h) for s, h in dealt if len(h) and len(set(names[s])) > 1]
        return _Ending(dealt, self.goes_on)


class _Ending(list[_Split]):
    def __init__(self, splits: list[_Split], goes_on: Callable[[], bool]) -> None:
        super().__init__(splits)
        self.goes_on = goes_on

    def __iter__(self) -> Iterator[_Split]:
        for place in range(len(self)):
            if place >= MIN_SPLITS and not self.goes_on():
                return
            yield self[place]


def _known(names: AnyArray, seen: IntArray, hidden: IntArray) -> IntArray:
    there: IntArray = hidden[np.isin(names[hidden], names[seen])]
    return there
