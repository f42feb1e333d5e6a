"""From logits to probabilities and from probabilities to classes, learnt on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logsumexp, softmax
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.described import entry, finite

_NUMBERS_AT_ONCE = 4_000_000
"""Limit of the logits that are looked at together, whatever the number of classes."""
_MIN_POSITIVES = 5


@dataclass(frozen=True)
class Decision:
    """How logits are read.

    Attributes
    ----------
    temperature : float
        Logits are divided by it, so that probabilities match frequencies [1]_.
    offsets : ndarray of shape (n_classes,) or None
        Added to the logits: the treatment of rare classes.
    thresholds : ndarray of shape (n_classes,) or None
        Least probability of each label where a text may have several; None where it has one.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """

    temperature: float = 1.0
    offsets: FloatArray | None = None
    thresholds: FloatArray | None = None

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Give probabilities of shape (n, n_classes); rows sum to 1 where a text has one label."""
        scaled = logits / self.temperature
        if self.offsets is not None:
            scaled = scaled + self.offsets
        read: FloatArray = expit(scaled) if self.thresholds is not None else softmax(scaled, axis=1)
        return read

    def choose(self, probabilities: FloatArray) -> IntArray:
        """Give the code of each row (n,), or zeros and ones (n, n_classes)."""
        if self.thresholds is not None:
            return (probabilities >= self.thresholds).astype(np.int64)
        best: IntArray = probabilities.argmax(axis=1)
        return best

    def to_json(self) -> dict[str, Any]:
        """Describe the decision with plain JSON values."""
        return {
            "temperature": self.temperature,
            "offsets": None if self.offsets is None else self.offsets.tolist(),
            "thresholds": None if self.thresholds is None else self.thresholds.tolist(),
        }

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        offsets, thresholds = (
            None if described[name] is None else finite(described, name)
            for name in ("offsets", "thresholds")
        )
        temperature = entry(described, "temperature", float)
        if not 0 < temperature < np.inf:
            raise ValueError(f"temperature is {temperature}, expected a number above 0")
        return cls(temperature, offsets, thresholds)


def best_temperature(logits: FloatArray, targets: IntArray) -> float:
    """Find the temperature with the least log loss on held-out rows, and on one row more.

    That row's label is drawn by chance, with the shares of the labels: few rows that all came out
    right are no evidence that none ever comes out wrong [1]_.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    targets : ndarray of shape (n,) or (n, n_classes)
        Codes, or zeros and ones.

    Returns
    -------
    float
        Between 0.01 and 1,000.

    References
    ----------
    .. [1] Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin
       Classifiers, 1999: held-out labels softened by a prior.
    """
    n_rows, n_classes = logits.shape
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=n_classes)
    size = max(_NUMBERS_AT_ONCE // n_classes, 1)
    blocks = [slice(start, start + size) for start in range(0, n_rows, size)]

    def losses(rows: slice, log_temperature: float) -> FloatArray:
        scaled = logits[rows] / np.exp(log_temperature)
        marked: AnyArray = targets[rows]
        if targets.ndim == 1:
            marked = np.zeros(scaled.shape)
            marked[np.arange(len(marked)), targets[rows]] = 1.0
        soft = (marked + counts / n_rows / n_rows) * (n_rows / (n_rows + 1))
        found: FloatArray
        if targets.ndim == 2:
            found = -(soft * log_expit(scaled) + (1 - soft) * log_expit(-scaled))
        else:
            found = logsumexp(scaled, axis=1) - (soft * scaled).sum(axis=1)
        return found

    def loss(log_temperature: float) -> float:
        parts = [losses(rows, log_temperature) for rows in blocks]
        return float(np.concatenate(parts).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.01), np.log(1000.0)), method="bounded")
    return float(np.exp(found.x))


def best_thresholds(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """Find for each label the threshold with the best F1 on held-out rows.

    A label with fewer than five positive rows gets the threshold that is best over all labels:
    its own would be chance.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_labels)
    targets : ndarray of shape (n, n_labels)
        Zeros and ones.

    Returns
    -------
    ndarray of shape (n_labels,)
        Between 0 and 1.
    """
    common = _best_threshold(probabilities.ravel(), targets.ravel())
    return np.array(
        [
            _best_threshold(probabilities[:, label], targets[:, label])
            if targets[:, label].sum() >= _MIN_POSITIVES
            else common
            for label in range(targets.shape[1])
        ]
    )


def _best_threshold(probabilities: FloatArray, positive: IntArray) -> float:
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    hits = np.cumsum(positive[order])
    taken = np.arange(1, len(order) + 1)
    f1 = 2 * hits / (taken + max(int(positive.sum()), 1))
    # Only between different probabilities can a threshold lie.
    ends = np.append(ranked[:-1] > ranked[1:], True)
    f1 = np.where(ends, f1, -1.0)
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[best] + below) / 2, 1e-6, 1 - 1e-6))
