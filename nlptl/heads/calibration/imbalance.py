"""What to do where some classes are rare: one option, several meanings."""

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
    """A way to treat rare classes."""

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Give each row a weight in training, with mean 1; None for equal weights."""
        ...

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Give what is added to the logits of each class, learnt from held-out rows."""
        ...

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Give what is added where no row is held out, from the rows of each class."""
        ...


@dataclass(frozen=True)
class ClassWeights:
    """Rows of rare classes weigh more in training.

    Parameters
    ----------
    power : float
        Weights grow with the inverse class size to this power: 1 gives every class the same
        total, which costs precision on rare classes; the square root stands between.
    """

    power: float = 0.5

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Give each row the weight of its class, with mean 1."""
        if not len(codes):
            return None
        counts = np.maximum(np.bincount(codes), 1)
        weights = (counts.max() / counts) ** self.power
        of_rows: FloatArray = weights[codes]
        scaled: FloatArray = of_rows / of_rows.mean()
        return scaled

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Nothing is added."""
        return None

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Nothing is added."""
        return None


@dataclass(frozen=True)
class LogitAdjustment:
    """Training stays as it is; predictions are moved towards rare classes [1]_.

    The log of each class share, times a factor, is taken off its logit. The factor is the one of
    ``factors`` with the best macro-F1 on held-out rows.

    References
    ----------
    .. [1] Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, arXiv:2007.07314.
    """

    factors: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Every row counts the same."""
        return None

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Take off the log class shares, times the best factor."""
        shares = _log_shares(np.bincount(codes, minlength=logits.shape[1]))

        def macro_f1(factor: float) -> float:
            chosen = (logits - factor * shares).argmax(axis=1)
            return float(f1_score(codes, chosen, average="macro", zero_division=0))

        moved: FloatArray = -max(self.factors, key=macro_f1) * shares
        return moved

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Take off the log class shares, times the factor in the middle."""
        moved: FloatArray = -float(np.median(self.factors)) * _log_shares(counts)
        return moved


@dataclass(frozen=True)
class FocalLoss:
    """Rows that are right already weigh less in training: ``training.losses.focal_losses``."""

    def row_weights(self, codes: IntArray) -> FloatArray | None:
        """Every row counts the same; its loss says how much."""
        return None

    def offsets(self, logits: FloatArray, codes: IntArray) -> FloatArray | None:
        """Nothing is added."""
        return None

    def untried_offsets(self, counts: IntArray) -> FloatArray | None:
        """Nothing is added."""
        return None


def _log_shares(counts: IntArray) -> FloatArray:
    some = np.maximum(counts, 0.5)
    shares: FloatArray = np.log(some / some.sum())
    return shares


IMBALANCE: MappingProxyType[str, Imbalance] = MappingProxyType(
    {"balanced": ClassWeights(), "focal": FocalLoss(), "logit_adjust": LogitAdjustment()}
)


def as_imbalance(name: str | None) -> Imbalance | None:
    """Find the treatment of rare classes by name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name is None:
        return None
    if name not in IMBALANCE:
        raise ConfigError(f"imbalance={name!r} is not known. {suggest(str(name), IMBALANCE)}")
    return IMBALANCE[name]
