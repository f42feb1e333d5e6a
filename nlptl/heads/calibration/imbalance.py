"""Treatments of rare classes, selected by the option ``imbalance``."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from sklearn.metrics import f1_score

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest


class Imbalance(Protocol):
    """Interface of a treatment of rare classes."""

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Return training weights of the rows with mean 1, or None for equal weights."""
        ...

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Compute offsets of the class logits from held-out rows, or return None."""
        ...

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Compute offsets from the number of rows per class if no rows are held out."""
        ...


@dataclass(frozen=True)
class ClassWeights:
    """Weight rows of rare classes more in training.

    Parameters
    ----------
    power : float
        Exponent of the inverse class size. With 1, all classes have the same total weight,
        which costs precision on rare classes. With 0, all rows have the same weight.
    """

    power: float = 0.5

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Return the class weight of each row, scaled to mean 1."""
        if not len(codes):
            return None
        counts = np.maximum(np.bincount(codes), 1)
        weights = (counts.max() / counts) ** self.power
        of_rows: FloatArray = weights[codes]
        scaled: FloatArray = of_rows / of_rows.mean()
        return scaled

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Return None: no offsets are added."""
        return None

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Return None: no offsets are added."""
        return None


@dataclass(frozen=True)
class LogitAdjustment:
    """Leave training unchanged and shift predictions towards rare classes [1]_.

    A multiple of the log class share is subtracted from each logit. The multiple is the value in
    ``factors`` with the best macro-F1 on held-out rows.

    References
    ----------
    .. [1] Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, arXiv:2007.07314.
    """

    factors: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Return None: all rows have the same weight."""
        return None

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Return the negative log class shares, multiplied by the best factor."""
        shares = _log_shares(np.bincount(codes, minlength=logits.shape[1]))

        def macro_f1(factor: float) -> float:
            chosen = (logits - factor * shares).argmax(axis=1)
            return float(f1_score(codes, chosen, average="macro", zero_division=0))

        moved: FloatArray = -max(self.factors, key=macro_f1) * shares
        return moved

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Return the negative log class shares, multiplied by the median factor."""
        moved: FloatArray = -float(np.median(self.factors)) * _log_shares(counts)
        return moved


@dataclass(frozen=True)
class FocalLoss:
    """Weight rows less that are already correct: see ``training.losses.focal_losses``."""

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Return None: the loss function weights the rows."""
        return None

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Return None: no offsets are added."""
        return None

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Return None: no offsets are added."""
        return None


def _log_shares(counts: IntArray) -> FloatArray:
    safe_counts = np.maximum(counts, 0.5)
    shares: FloatArray = np.log(safe_counts / safe_counts.sum())
    return shares


IMBALANCE: MappingProxyType[str, Imbalance] = MappingProxyType(
    {"balanced": ClassWeights(), "focal": FocalLoss(), "logit_adjust": LogitAdjustment()}
)


def as_imbalance(name: str | None) -> Imbalance | None:
    """Return the treatment of rare classes with this name.

    Raises
    ------
    ConfigError
        If there is no treatment with this name.
    """
    if name is None:
        return None
    if name not in IMBALANCE:
        raise ConfigError(f"imbalance={name!r} is not known. {suggest(str(name), IMBALANCE)}")
    return IMBALANCE[name]
