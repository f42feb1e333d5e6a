"""Figures of merit as pure functions on codes and probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from nlptl.base.arrays import FloatArray, IntArray

_BINS = 15


def accuracy(truth: IntArray, chosen: IntArray) -> float:
    """Share of rows that are right; with several labels a row, of rows where all labels are."""
    same = truth == chosen
    return float((same.all(axis=1) if same.ndim == 2 else same).mean())


def macro_f1(truth: IntArray, chosen: IntArray) -> float:
    """Mean F1 over the classes that occur in the truth or were chosen; over labels, where several.

    A label that neither occurs nor was chosen counts 0.
    """
    right, counted = _found(truth, chosen)
    if truth.ndim == 1:
        right, counted = right[counted > 0], counted[counted > 0]
    return float((2 * right / np.maximum(counted, 1)).mean())


def micro_f1(truth: IntArray, chosen: IntArray) -> float:
    """F1 over all decisions; equal to accuracy where each row has one label."""
    right, counted = _found(truth, chosen)
    return float(2 * right.sum() / max(counted.sum(), 1))


def matthews(truth: IntArray, chosen: IntArray) -> float:
    """Matthews correlation, from -1 to 1; 0 is chance [1]_.

    With several labels a row, all decisions are taken together.

    References
    ----------
    .. [1] Gorodkin, "Comparing two K-category assignments by a K-category correlation
       coefficient", 2004.
    """
    # Counts of the classes suffice: a table of all pairs of classes grows with their square.
    codes = np.unique(np.append(truth, chosen), return_inverse=True)[1].reshape(2, -1)
    true, taken = (np.bincount(side, minlength=codes.max() + 1).astype(float) for side in codes)
    n_rows, n_right = float(truth.size), float((codes[0] == codes[1]).sum())
    together = n_right * n_rows - true @ taken
    apart = (n_rows**2 - taken @ taken) * (n_rows**2 - true @ true)
    return float(together / np.sqrt(apart)) if apart else 0.0


def mean_rank_error(truth: IntArray, chosen: IntArray) -> float:
    """Mean distance of the chosen rank from the true one, where classes have an order."""
    return float(np.abs(truth - chosen).mean())


def log_loss(truth: IntArray, probabilities: FloatArray) -> float:
    """Mean of minus the log of the probability given to the truth; over labels, where several."""
    if truth.ndim == 1:
        probabilities = probabilities[np.arange(len(truth)), truth]
    safe = np.clip(probabilities, 1e-12, 1.0 - 1e-12)
    if truth.ndim == 2:
        return float(-np.where(truth > 0, np.log(safe), np.log(1 - safe)).mean())
    return float(-np.log(safe).mean())


def calibration_error(truth: IntArray, probabilities: FloatArray) -> float:
    """Give the expected calibration error, over 15 bins of confidence [1]_.

    With several labels a row, each label's probability is held against its frequency.

    References
    ----------
    .. [1] Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
       Binning", AAAI 2015.
    """
    if truth.ndim == 2:
        confidence, right = probabilities.ravel(), truth.ravel() > 0
    else:
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(place, minlength=_BINS)
    gaps = np.bincount(place, confidence, _BINS) - np.bincount(place, right, _BINS)
    return float(np.abs(gaps).sum() / max(counts.sum(), 1))


def _found(truth: IntArray, chosen: IntArray) -> tuple[IntArray, IntArray]:
    """Count of each class its hits, and how often it is true and how often it was chosen, summed.

    A resampling asks for this thousands of times.
    """
    if truth.ndim == 2:
        return (truth * chosen).sum(axis=0), truth.sum(axis=0) + chosen.sum(axis=0)
    size = int(max(truth.max(), chosen.max())) + 1
    hits: IntArray = np.bincount(truth[truth == chosen], minlength=size)
    return hits, np.bincount(truth, minlength=size) + np.bincount(chosen, minlength=size)


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and F1 of one class, and how many rows have it."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


def class_scores(truth: IntArray, chosen: IntArray, names: list[str]) -> list[ClassScore]:
    """Give precision, recall and F1 of each class, in the order of ``names``."""
    labels = list(range(len(names)))
    columns = precision_recall_fscore_support(truth, chosen, labels=labels, zero_division=0)
    return [
        ClassScore(name, float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(names, *columns, strict=True)
    ]
