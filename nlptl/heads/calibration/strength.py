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
LOGIT_OF_ABSENT_CLASS = -30.0
"""Logit of a class that is absent from the training rows of a fold."""


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
        logits = _run(sample, folds, strengths, path, at_once=self.at_once)
        score = CRITERIA[self.criterion]
        best = max(range(len(strengths)), key=lambda i: score(logits[i], codes[rows]))
        return strengths[best], HeldOut(rows, logits[best])


def _run(
    sample: tuple[Features, IntArray, FloatArray | None],
    folds: IntArray,
    strengths: Sequence[float],
    path: Path,
    *,
    at_once: int | None,
) -> list[FloatArray]:
    X, codes, weights = sample
    numbers = np.unique(folds)
    logits_per_strength = [
        np.full((len(codes), int(codes.max()) + 1), LOGIT_OF_ABSENT_CLASS) for _ in strengths
    ]

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
        for all_logits, logits in zip(logits_per_strength, fold_logits, strict=True):
            all_logits[np.ix_(held_out, present)] = logits  # each fold has its own rows

    map_in_threads(fit_fold, numbers, at_once=at_once)
    return logits_per_strength


def _log_loss(logits: FloatArray, codes: IntArray) -> float:
    chosen = logits[np.arange(len(codes)), codes]
    return float((logsumexp(logits, axis=1) - chosen).mean())


def _by_accuracy(logits: FloatArray, codes: IntArray) -> tuple[float, float]:
    return float((logits.argmax(axis=1) == codes).mean()), -_log_loss(logits, codes)


def _by_log_loss(logits: FloatArray, codes: IntArray) -> tuple[float, float]:
    return -_log_loss(logits, codes), 0.0


CRITERIA = MappingProxyType({"accuracy": _by_accuracy, "log_loss": _by_log_loss})
"""Scoring functions by criterion. The strength with the largest tuple is the best."""
