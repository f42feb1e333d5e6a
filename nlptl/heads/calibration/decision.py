"""Convert logits to probabilities and classes, with parameters fitted on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logsumexp, softmax
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.described import entry, finite
from nlptl.base.inputs import JsonObject

_NUMBERS_AT_ONCE = 4_000_000
"""Maximum number of logits in one block: rows times classes."""
_MIN_POSITIVES = 5


@dataclass(frozen=True)
class Decision:
    """Rule that converts logits to probabilities and probabilities to classes.

    Attributes
    ----------
    temperature : float
        Divisor of the logits that makes probabilities match frequencies [1]_.
    offsets : ndarray of shape (n_classes,) or None
        Added to the scaled logits to treat rare classes.
    thresholds : ndarray of shape (n_classes,) or None
        Minimum probability at which a label is predicted, if a text may have several labels.
        None if each text has one label.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """

    temperature: float = 1.0
    offsets: FloatArray | None = None
    thresholds: FloatArray | None = None

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return probabilities (n, n_classes). Rows sum to 1 if each text has one label."""
        scaled = logits / self.temperature
        if self.offsets is not None:
            scaled = scaled + self.offsets
        shares: FloatArray = (
            expit(scaled) if self.thresholds is not None else softmax(scaled, axis=1)
        )
        return shares

    def with_temperature(self, temperature: float) -> Decision:
        """Return a rule with another temperature that predicts the same classes."""
        factor = self.temperature / temperature
        offsets = None if self.offsets is None else self.offsets * factor
        return replace(self, temperature=temperature, offsets=offsets)

    def choose(self, probabilities: FloatArray) -> IntArray:
        """Return the class code of each row (n,), or zeros and ones (n, n_classes)."""
        if self.thresholds is not None:
            return (probabilities >= self.thresholds).astype(np.int64)
        codes: IntArray = probabilities.argmax(axis=1)
        return codes

    def to_json(self) -> dict[str, Any]:
        """Describe the decision with plain JSON values."""
        return {
            "temperature": self.temperature,
            "offsets": None if self.offsets is None else self.offsets.tolist(),
            "thresholds": None if self.thresholds is None else self.thresholds.tolist(),
        }

    @classmethod
    def from_json(cls, described: JsonObject) -> Self:
        """Build a decision from the output of ``to_json``."""
        offsets, thresholds = (
            None if described[name] is None else finite(described, name)
            for name in ("offsets", "thresholds")
        )
        temperature = entry(described, "temperature", float)
        if not 0 < temperature < np.inf:
            raise ValueError(f"temperature must be a finite number above 0, got {temperature}")
        return cls(temperature, offsets, thresholds)


def spread_of(logits: FloatArray, *, several: bool = False) -> float:
    """Return the standard deviation of logits around the mean logit of each row; never 0.

    With several labels per text, it is the standard deviation of all logits.
    """
    centred = logits if several else logits - logits.mean(axis=1, keepdims=True)
    return max(float(np.std(centred)), 1e-12)


def best_temperature(logits: FloatArray, targets: IntArray) -> float:
    """Compute the temperature with the lowest log loss on held-out rows and one artificial row.

    The artificial row has the label shares of all rows as its soft label. It keeps probabilities
    away from 0 and 1 if the model predicts all of a few held-out rows correctly [1]_.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    targets : ndarray of shape (n,) or (n, n_classes)
        Class codes, or zeros and ones.

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
        one_hot: AnyArray = targets[rows]
        if targets.ndim == 1:
            one_hot = np.zeros(scaled.shape)
            one_hot[np.arange(len(one_hot)), targets[rows]] = 1.0
        soft = (one_hot + counts / n_rows / n_rows) * (n_rows / (n_rows + 1))
        result: FloatArray
        if targets.ndim == 2:
            result = -(soft * log_expit(scaled) + (1 - soft) * log_expit(-scaled))
        else:
            result = logsumexp(scaled, axis=1) - (soft * scaled).sum(axis=1)
        return result

    def loss(log_temperature: float) -> float:
        parts = [losses(rows, log_temperature) for rows in blocks]
        return float(np.concatenate(parts).mean())

    optimum = minimize_scalar(loss, bounds=(np.log(0.01), np.log(1000.0)), method="bounded")
    return float(np.exp(optimum.x))


def best_thresholds(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """Compute the threshold of each label with the highest F1 on held-out rows.

    A label with fewer than five positive rows gets the best common threshold of all labels,
    because its own threshold would be random.

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
    n_predicted = np.arange(1, len(order) + 1)
    f1 = 2 * hits / (n_predicted + max(int(positive.sum()), 1))
    # A threshold can only separate rows with different probabilities.
    ends = np.append(ranked[:-1] > ranked[1:], True)
    f1 = np.where(ends, f1, -1.0)
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[best] + below) / 2, 1e-6, 1 - 1e-6))
