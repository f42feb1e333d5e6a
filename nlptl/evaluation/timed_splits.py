"""Splits that stop at a time limit and test only classes with training rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.data.indicators import Indicator
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
        if not (numeric or isinstance(answers, Indicator)):
            labels = [_labels_of(answer) for answer in answers]
            least = 1 if are_lists(answers) else 2
            splits = [(train, _with_training_class(labels, train, test)) for train, test in splits]
            splits = [
                (train, test)
                for train, test in splits
                if len(test) and len(_distinct(labels, train)) >= least
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


def _labels_of(answer: Any) -> set[str]:
    """Return the labels of a row as text: one, or all of its list."""
    several = isinstance(answer, list | set | frozenset)
    return {repr(label) for label in (answer if several else [answer])}


def _distinct(labels: Sequence[set[str]], rows: IntArray) -> set[str]:
    return set().union(*(labels[row] for row in rows))


def _with_training_class(labels: Sequence[set[str]], train: IntArray, test: IntArray) -> IntArray:
    """Return the test rows whose labels all occur in the training rows."""
    trained_labels = _distinct(labels, train)
    return np.array([row for row in test if labels[row] <= trained_labels], dtype=np.int64)
