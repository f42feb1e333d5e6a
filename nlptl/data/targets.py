"""What a head is to learn: class codes or numbers, and how much each row counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Targets:
    """The labels of some rows as codes, or their numbers.

    Attributes
    ----------
    codes : ndarray of shape (n,) or (n, n_outputs), int64, or of shape (n,), float64
        The class of each row; zeros and ones where a row may have several labels; or the number
        of each row, on a scale with mean 0 and spread 1.
    n_outputs : int
        Classes or labels there are; 1 for numbers.
    weights : ndarray of shape (n,) or None
        How much each row counts.
    """

    codes: AnyArray
    n_outputs: int
    weights: FloatArray | None = None

    @property
    def several(self) -> bool:
        """Whether a row may have several labels."""
        return self.codes.ndim == 2

    @property
    def numeric(self) -> bool:
        """Whether the rows have numbers instead of classes."""
        return self.codes.dtype.kind == "f"

    @property
    def one_hot(self) -> FloatArray:
        """Zeros and ones of shape (n, n_outputs), or the numbers as one column."""
        if self.numeric:
            return self.codes[:, None]
        if self.several:
            return self.codes.astype(np.float64)
        marked = np.zeros((len(self.codes), self.n_outputs))
        marked[np.arange(len(self.codes)), self.codes] = 1.0
        return marked

    @property
    def counts(self) -> IntArray:
        """Rows of each class: (n_outputs,)."""
        counted: IntArray
        if self.numeric or self.several:
            counted = self.one_hot.sum(axis=0).astype(np.int64)
        else:
            counted = np.bincount(self.codes, minlength=self.n_outputs)
        return counted

    def take(self, rows: IntArray) -> Self:
        """Give the targets of some rows."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, codes=self.codes[rows], weights=weights)

    def followed_by(self, others: Targets) -> Self:
        """Give these targets with others after them; rows without a weight count 1."""
        weights = None
        if self.weights is not None or others.weights is not None:
            weights = np.concatenate([self._counted, others._counted])
        codes = np.concatenate([self.codes, others.codes])
        return replace(self, codes=codes, weights=weights)

    def label(self, place: int) -> Self:
        """Give one of several labels as a yes-or-no task."""
        return replace(self, codes=self.codes[:, place], n_outputs=2)

    @property
    def _counted(self) -> FloatArray:
        return np.ones(len(self)) if self.weights is None else self.weights

    def __len__(self) -> int:
        return len(self.codes)
