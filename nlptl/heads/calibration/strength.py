"""Choosing the strength of a head by cross-validation, and keeping what the folds said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import logsumexp

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import Features
from nlptl.base.threads import map_in_threads
from nlptl.data.splits import stratified_folds, stratified_sample

MAX_ROWS_TO_CHOOSE_ON = 3_000
"""Rows that suffice to choose a strength."""

MIN_ROWS_TO_CROSS_VALIDATE = 20
LOGIT_OF_ABSENT_CLASS = -30.0
"""Logit of a class that a fold has not seen."""


@dataclass(frozen=True)
class HeldOut:
    """What models said of rows they had not seen.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,)
        Row numbers.
    logits : ndarray of shape (n_rows, n_classes)
        Scores of those rows.
    """

    rows: IntArray
    logits: FloatArray


@dataclass(frozen=True)
class Fold:
    """The rows a model may learn from, and those it is asked about.

    Attributes
    ----------
    X, codes, weights
        Features, class codes from 0 without gaps, and row weights (or None) to learn from.
    asked : ndarray or csr_matrix
        Features to answer for.
    """

    X: Features
    codes: IntArray
    weights: FloatArray | None
    asked: Features


Path = Callable[[Fold, Sequence[float]], list[FloatArray]]
"""Fits one fold at every strength; gives logits of the rows asked about for each."""


@dataclass(frozen=True)
class Chooser:
    """Cross-validation of one number.

    Attributes
    ----------
    criterion : str
        ``"accuracy"`` (among equals, log loss) or ``"log_loss"``.
    n_folds : int
    seed : int
        Deals the rows into folds.
    at_once : int or None
        Folds that are fitted at the same time; None is one for each processor.
    """

    criterion: str
    n_folds: int
    seed: int
    at_once: int | None = None

    def choose(
        self,
        X: Features,
        codes: IntArray,
        weights: FloatArray | None,
        strengths: Sequence[float],
        path: Path,
    ) -> tuple[float, HeldOut] | None:
        """Give the best strength with what the folds said at it; None with too few rows.

        Parameters
        ----------
        X : ndarray or csr_matrix of shape (n, n_features)
        codes : ndarray of shape (n,)
        weights : ndarray of shape (n,) or None
        strengths : sequence of float
            What is tried.
        path : callable
            Fits one fold at every strength.
        """
        if len(codes) < MIN_ROWS_TO_CROSS_VALIDATE or np.bincount(codes).max() < 2:
            return None
        rows = stratified_sample(codes, MAX_ROWS_TO_CHOOSE_ON, seed=self.seed)
        n_folds = int(min(self.n_folds, max(2, np.bincount(codes[rows]).max())))
        folds = stratified_folds(codes[rows], n_folds, seed=self.seed)
        some = X[rows], codes[rows], None if weights is None else weights[rows]
        logits = _run(some, folds, strengths, path, at_once=self.at_once)
        score = CRITERIA[self.criterion]
        best = max(range(len(strengths)), key=lambda i: score(logits[i], codes[rows]))
        return strengths[best], HeldOut(rows, logits[best])


def _run(
    some: tuple[Features, IntArray, FloatArray | None],
    folds: IntArray,
    strengths: Sequence[float],
    path: Path,
    *,
    at_once: int | None,
) -> list[FloatArray]:
    X, codes, weights = some
    numbers = np.unique(folds)
    answers = [
        np.full((len(codes), int(codes.max()) + 1), LOGIT_OF_ABSENT_CLASS) for _ in strengths
    ]

    def one(number: int) -> None:
        seen, hidden = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        present, inside = np.unique(codes[seen], return_inverse=True)
        found: list[FloatArray]
        if len(present) < 2:
            found = [np.zeros((len(hidden), 1))] * len(strengths)
        else:
            fold = Fold(X[seen], inside, None if weights is None else weights[seen], X[hidden])
            found = path(fold, strengths)
        for answer, logits in zip(answers, found, strict=True):
            answer[np.ix_(hidden, present)] = logits  # each fold has its own rows

    map_in_threads(one, numbers, at_once=at_once)
    return answers


def _log_loss(logits: FloatArray, codes: IntArray) -> float:
    chosen = logits[np.arange(len(codes)), codes]
    return float((logsumexp(logits, axis=1) - chosen).mean())


def _by_accuracy(logits: FloatArray, codes: IntArray) -> tuple[float, float]:
    return float((logits.argmax(axis=1) == codes).mean()), -_log_loss(logits, codes)


def _by_log_loss(logits: FloatArray, codes: IntArray) -> tuple[float, float]:
    return -_log_loss(logits, codes), 0.0


CRITERIA = MappingProxyType({"accuracy": _by_accuracy, "log_loss": _by_log_loss})
"""What makes one strength better than another: a larger tuple."""
