"""Targets of a head: class codes or numbers, with optional weights of the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels of rows as class codes, or their numbers in a regression.

    Attributes
    ----------
    codes : ndarray of shape (n,) or (n, n_outputs), int64, or of shape (n,), float64
        The class of each row, zeros and ones if a row may have several labels, or the number of
        each row, scaled to mean 0 and standard deviation 1.
    n_outputs : int
        Number of classes or labels; 1 for numbers.
    weights : ndarray of shape (n,) or None
        Weight of each row in the loss; None if all rows have weight 1.
    domains : ndarray of shape (n,) or None
        Domain of each row: 0 for the target, 1 and above for sources. None if all rows belong to
        the target.
    """

    codes: AnyArray
    n_outputs: int
    weights: FloatArray | None = None
    domains: IntArray | None = None

    @property
    def several(self) -> bool:
        """True if a row may have several labels."""
        return self.codes.ndim == 2

    @property
    def numeric(self) -> bool:
        """True if the rows have numbers instead of classes."""
        return self.codes.dtype.kind == "f"

    @property
    def one_hot(self) -> FloatArray:
        """One-hot matrix of shape (n, n_outputs), or the numbers as one column."""
        if self.numeric:
            return self.codes[:, None]
        if self.several:
            return self.codes.astype(np.float64)
        marked = np.zeros((len(self.codes), self.n_outputs))
        marked[np.arange(len(self.codes)), self.codes] = 1.0
        return marked

    @property
    def counts(self) -> IntArray:
        """Number of rows per class: (n_outputs,)."""
        class_counts: IntArray
        if self.numeric or self.several:
            class_counts = self.one_hot.sum(axis=0).astype(np.int64)
        else:
            class_counts = np.bincount(self.codes, minlength=self.n_outputs)
        return class_counts

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all rows."""
        return float(self._filled_weights.sum())

    @property
    def class_shares(self) -> FloatArray:
        """Share of each class in the total weight: (n_outputs,)."""
        shares: FloatArray = self._filled_weights @ self.one_hot
        normalised: FloatArray = shares / shares.sum()
        return normalised

    def take(self, rows: IntArray) -> Self:
        """Return the targets of some rows."""
        weights = None if self.weights is None else self.weights[rows]
        domains = None if self.domains is None else self.domains[rows]
        return replace(self, codes=self.codes[rows], weights=weights, domains=domains)

    def weighed_by(self, factors: FloatArray) -> Self:
        """Return the same targets with their weights multiplied by factors: (n,)."""
        return replace(self, weights=self._filled_weights * factors)

    def followed_by(self, others: Targets) -> Self:
        """Return these targets followed by others; rows without a weight get the weight 1."""
        weights = None
        if self.weights is not None or others.weights is not None:
            weights = np.concatenate([self._filled_weights, others._filled_weights])
        domains = None
        if self.domains is not None or others.domains is not None:
            domains = np.concatenate([self.domain_numbers, others.domain_numbers])
        codes = np.concatenate([self.codes, others.codes])
        return replace(self, codes=codes, weights=weights, domains=domains)

    def label(self, index: int) -> Self:
        """Return the targets of one of several labels, as a binary task."""
        return replace(self, codes=self.codes[:, index], n_outputs=2)

    @property
    def domain_numbers(self) -> IntArray:
        """Domain of each row, 0 for the target: (n,)."""
        return np.zeros(len(self), dtype=np.int64) if self.domains is None else self.domains

    @property
    def _filled_weights(self) -> FloatArray:
        return np.ones(len(self)) if self.weights is None else self.weights

    def __len__(self) -> int:
        return len(self.codes)
