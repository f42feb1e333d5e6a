"""Classification metrics as pure functions of class codes and probabilities."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from nlptl.base.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

_BINS = 15


def accuracy(truth: IntArray, predicted: IntArray) -> float:
    """Return the share of correct rows. With several labels per row, all must be correct."""
    same = truth == predicted
    return float((same.all(axis=1) if same.ndim == 2 else same).mean())


def macro_f1(truth: IntArray, predicted: IntArray) -> float:
    """Return the mean F1 over all classes that occur in the truth or the predictions.

    With several labels per row, it is the mean over all labels. A label that neither occurs nor is
    predicted counts as 0.
    """
    hits, totals = _class_counts(truth, predicted)
    if truth.ndim == 1:
        hits, totals = hits[totals > 0], totals[totals > 0]
    return float((2 * hits / np.maximum(totals, 1)).mean())


def micro_f1(truth: IntArray, predicted: IntArray) -> float:
    """Return F1 over all decisions, which equals accuracy if each row has one label."""
    hits, totals = _class_counts(truth, predicted)
    return float(2 * hits.sum() / max(totals.sum(), 1))


def matthews(truth: IntArray, predicted: IntArray) -> float:
    """Return the Matthews correlation, from -1 to 1, where 0 is chance level [1]_.

    With several labels per row, it is computed over all decisions together.

    References
    ----------
    .. [1] Gorodkin, "Comparing two K-category assignments by a K-category correlation
       coefficient", 2004.
    """
    # Class counts are enough. A confusion matrix would grow with the square of the classes.
    codes = np.unique(np.append(truth, predicted), return_inverse=True)[1].reshape(2, -1)
    true_counts, predicted_counts = (
        np.bincount(side, minlength=codes.max() + 1).astype(float) for side in codes
    )
    n_rows, n_right = float(truth.size), float((codes[0] == codes[1]).sum())
    covariance = n_right * n_rows - true_counts @ predicted_counts
    scale = (n_rows**2 - predicted_counts @ predicted_counts) * (
        n_rows**2 - true_counts @ true_counts
    )
    return float(covariance / np.sqrt(scale)) if scale else 0.0


def mean_rank_error(truth: IntArray, predicted: IntArray) -> float:
    """Return the mean distance between predicted and true ranks of ordered classes."""
    return float(np.abs(truth - predicted).mean())


def log_loss(truth: IntArray, probabilities: FloatArray) -> float:
    """Return the mean negative log probability of the truth, over rows or rows and labels."""
    if truth.ndim == 1:
        probabilities = probabilities[np.arange(len(truth)), truth]
    safe = np.clip(probabilities, 1e-12, 1.0 - 1e-12)
    if truth.ndim == 2:
        return float(-np.where(truth > 0, np.log(safe), np.log(1 - safe)).mean())
    return float(-np.log(safe).mean())


def calibration_error(truth: IntArray, probabilities: FloatArray) -> float:
    """Return the expected calibration error over 15 bins of confidence [1]_.

    With several labels per row, the probability of each label is compared with its frequency.

    References
    ----------
    .. [1] Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
       Binning", AAAI 2015.
    """
    if truth.ndim == 2:
        confidence, right = probabilities.ravel(), truth.ravel() > 0
    else:
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    gaps = np.bincount(bins, confidence, _BINS) - np.bincount(bins, right, _BINS)
    return float(np.abs(gaps).sum() / max(counts.sum(), 1))


def _class_counts(truth: IntArray, predicted: IntArray) -> tuple[IntArray, IntArray]:
    """Count the hits of each class, and its true rows plus its predicted rows.

    It is fast, because a bootstrap calls it thousands of times.
    """
    if truth.ndim == 2:
        return (truth * predicted).sum(axis=0), truth.sum(axis=0) + predicted.sum(axis=0)
    size = int(max(truth.max(), predicted.max())) + 1
    hits: IntArray = np.bincount(truth[truth == predicted], minlength=size)
    return hits, np.bincount(truth, minlength=size) + np.bincount(predicted, minlength=size)


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall, F1 and number of rows of one class."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


class ClassScores(list[ClassScore]):
    """Scores of all classes: a list that notebooks show as a table."""

    def frame(self) -> pd.DataFrame:
        """Return one row per class, with the columns name, precision, recall, f1 and rows."""
        import pandas as pd

        names = [field.name for field in fields(ClassScore)]
        table: pd.DataFrame = pd.DataFrame(list(self), columns=names)
        return table

    def __str__(self) -> str:
        return self.frame().to_string(index=False, float_format="{:.3f}".format)

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, float_format="{:.3f}".format)


def class_scores(truth: IntArray, predicted: IntArray, names: list[str]) -> ClassScores:
    """Return precision, recall and F1 of each class, in the order of ``names``."""
    labels = list(range(len(names)))
    if truth.ndim == 2 and truth.shape[1] == 1:  # scikit-learn reads it as the classes 0 and 1
        truth, predicted, labels = truth[:, 0], predicted[:, 0], [1]
    columns = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    return ClassScores(
        ClassScore(name, float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(names, *columns, strict=True)
    )


def confused_pairs(truth: IntArray, predicted: IntArray) -> list[tuple[int, int, int]]:
    """Count the wrong rows by true and predicted class, the most frequent pair first.

    Parameters
    ----------
    truth, predicted : ndarray of int of shape (n,)
        Class codes.

    Returns
    -------
    list of (int, int, int)
        True class, predicted class and number of rows.

    Examples
    --------
    >>> confused_pairs(np.array([0, 0, 1, 2]), np.array([1, 1, 0, 2]))
    [(0, 1, 2), (1, 0, 1)]
    """
    wrong = truth != predicted
    codes = np.stack([truth[wrong], predicted[wrong]], axis=1)
    pairs, counts = np.unique(codes, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    lines = np.column_stack([pairs, counts])[order].tolist()
    return [(label, other, n) for label, other, n in lines]
