"""Choose the penalty strength of a head by cross-validation and keep the held-out logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from scipy.special import logsumexp

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import Features
from nlptl.base.threads import map_in_threads
from nlptl.data.splits import sampled_folds

MAX_ROWS_TO_CHOOSE_ON = 3_000
"""Maximum number of rows in the cross-validation that chooses a strength."""

MIN_ROWS_TO_CROSS_VALIDATE = 20
_SPREADS_TO_ABSENT_CLASS = 10.0
"""Distance of the logit of an absent class from the smallest one of its row, in spreads."""


@dataclass(frozen=True)
class HeldOut:
    """Logits of held-out rows, from models that were not trained on them.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,)
        Row numbers.
    logits : ndarray of shape (n_rows, n_classes)
        Logits of these rows.
    """

    rows: IntArray
    logits: FloatArray


@dataclass(frozen=True)
class Fold:
    """Training rows and held-out rows of one cross-validation fold.

    Attributes
    ----------
    X, codes, weights
        Features, class codes from 0 without gaps, and row weights (or None) of the training rows.
    asked : ndarray or csr_matrix
        Features of the held-out rows.
    """

    X: Features
    codes: IntArray
    weights: FloatArray | None
    asked: Features


class SelectableRows(Protocol):
    """Features of rows that are selected by their numbers."""

    def __getitem__(self, rows: IntArray) -> Any:
        """Return the features of some rows as an array or a sparse matrix."""
        ...


Path = Callable[[Fold, Sequence[float]], list[FloatArray]]
"""Fits one fold at each strength and returns one array of held-out logits per strength."""


@dataclass(frozen=True)
class Chooser:
    """Cross-validation that chooses one parameter of a head.

    Attributes
    ----------
    criterion : str
        ``"accuracy"`` (ties are broken by log loss) or ``"log_loss"``.
    n_folds : int
    seed : int
        Seed of the assignment of rows to folds.
    at_once : int or None
        Number of folds fitted at the same time. None means one per processor.
    """

    criterion: str
    n_folds: int
    seed: int
    at_once: int | None = None

    def choose(
        self,
        X: SelectableRows,
        codes: IntArray,
        weights: FloatArray | None,
        strengths: Sequence[float],
        path: Path,
    ) -> tuple[float, HeldOut] | None:
        """Return the best strength and its held-out logits, or None if there are too few rows.

        Parameters
        ----------
        X : ndarray, csr_matrix or similar
            Features of n rows. ``X[rows]`` returns those of some rows.
        codes : ndarray of shape (n,)
        weights : ndarray of shape (n,) or None
        strengths : sequence of float
            Candidate strengths.
        path : callable
            Fits one fold at each strength.
        """
        if len(codes) < MIN_ROWS_TO_CROSS_VALIDATE or np.bincount(codes).max() < 2:
            return None
        rows, folds = sampled_folds(
            codes, self.n_folds, max_rows=MAX_ROWS_TO_CHOOSE_ON, seed=self.seed
        )
        sample = X[rows], codes[rows], None if weights is None else weights[rows]
        logits, counted = _run(sample, folds, strengths, path, at_once=self.at_once)
        if not len(counted):
            return None
        score, truth = CRITERIA[self.criterion], codes[rows][counted]
        best = max(range(len(strengths)), key=lambda i: score(logits[i][counted], truth))
        return strengths[best], HeldOut(rows[counted], logits[best][counted])


def _run(
    sample: tuple[Features, IntArray, FloatArray | None],
    folds: IntArray,
    strengths: Sequence[float],
    path: Path,
    *,
    at_once: int | None,
) -> tuple[list[FloatArray], IntArray]:
    """Return the held-out logits at each strength, and the numbers of the rows that count.

    A row does not count if the training rows of its fold lack its class.
    """
    X, codes, weights = sample
    numbers, n_classes = np.unique(folds), int(codes.max()) + 1
    logits_per_strength: list[FloatArray] = [np.zeros((len(codes), n_classes)) for _ in strengths]
    is_counted = np.zeros(len(codes), dtype=bool)

    def fit_fold(number: int) -> None:
        training, held_out = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        present, fold_codes = np.unique(codes[training], return_inverse=True)
        fold_logits: list[FloatArray]
        if len(present) < 2:
            fold_logits = [np.zeros((len(held_out), 1))] * len(strengths)
        else:
            fold = Fold(
                X[training], fold_codes, None if weights is None else weights[training], X[held_out]
            )
            fold_logits = path(fold, strengths)
        is_counted[held_out] = np.isin(codes[held_out], present)
        for all_logits, logits in zip(logits_per_strength, fold_logits, strict=True):
            all_logits[held_out] = of_all_classes(logits, present, n_classes)

    map_in_threads(fit_fold, numbers, at_once=at_once)
    return logits_per_strength, np.flatnonzero(is_counted)


def of_all_classes(logits: FloatArray, present: IntArray, n_classes: int) -> FloatArray:
    """Add the columns of classes that are absent from the training rows of a fold.

    Logits have no absolute scale, so those of absent classes lie far below the smallest of the row.

    Parameters
    ----------
    logits : ndarray of shape (n, n_present)
    present : ndarray of shape (n_present,)
        Codes of the classes in the training rows.
    n_classes : int

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    centred = logits - logits.mean(axis=1, keepdims=True)
    spread = float(np.std(centred)) or 1.0
    lowest = logits.min(axis=1, keepdims=True) - _SPREADS_TO_ABSENT_CLASS * spread
    every: FloatArray = np.repeat(lowest, n_classes, axis=1).astype(np.float64)
    every[:, present] = logits
    return every


def _log_loss(logits: FloatArray, codes: IntArray) -> float:
    chosen = logits[np.arange(len(codes)), codes]
    return float((logsumexp(logits, axis=1) - chosen).mean())


def _by_accuracy(logits: FloatArray, codes: IntArray) -> tuple[float, float]:
    return float((logits.argmax(axis=1) == codes).mean()), -_log_loss(logits, codes)


def _by_log_loss(logits: FloatArray, codes: IntArray) -> tuple[float, float]:
    return -_log_loss(logits, codes), 0.0


CRITERIA = MappingProxyType({"accuracy": _by_accuracy, "log_loss": _by_log_loss})
"""Scoring functions by criterion. The strength with the largest tuple is the best."""
