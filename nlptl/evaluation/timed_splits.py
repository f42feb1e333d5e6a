"""Splits that stop at a time limit and test only classes with training rows."""

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
    """Cross-validation splits that stop when the time is up, but not before the second split.

    Test rows whose class has no training row in a split are left out. Splits without test rows, or
    with only one class to train on, are left out, too.

    Attributes
    ----------
    goes_on : callable
        Returns True if there is time for another split.
    """

    goes_on: Callable[[], bool] = lambda: True

    def of(self, answers: LabelValues, *, numeric: bool = False) -> list[_Split]:
        """Return the training rows and the test rows of each split."""
        splits = super().of(answers, numeric=numeric)
        if not (numeric or are_lists(answers)):
            names = np.array([repr(answer) for answer in answers])
            splits = [(train, _with_training_class(names, train, test)) for train, test in splits]
            splits = [
                (train, test) for train, test in splits if len(test) and len(set(names[train])) > 1
            ]
        return _Ending(splits, self.goes_on)


class _Ending(list[_Split]):
    def __init__(self, splits: list[_Split], goes_on: Callable[[], bool]) -> None:
        super().__init__(splits)
        self.goes_on = goes_on

    def __iter__(self) -> Iterator[_Split]:
        for index in range(len(self)):
            if index >= MIN_SPLITS and not self.goes_on():
                return
            yield self[index]


def _with_training_class(names: AnyArray, train: IntArray, test: IntArray) -> IntArray:
    rows: IntArray = test[np.isin(names[test], names[train])]
    return rows
