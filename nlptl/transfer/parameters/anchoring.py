"""Anchoring: a penalty that keeps weights close to their pretrained values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Outputs, Transfer


@dataclass(frozen=True)
class L2SP(Transfer):
    """Penalise the distance of the encoder weights to their pretrained values [1]_.

    The penalty is half the squared distance, multiplied by ``strength``. It is added to the loss.
    Weight decay, in contrast, pulls weights towards zero.

    Combine it with another transfer: ``transfer=[FullFineTune(), L2SP(0.01)]``. Alone, it trains
    all weights.

    Parameters
    ----------
    strength : float
        Factor on the penalty, above 0.

    References
    ----------
    .. [1] Li, Grandvalet and Davoine, "Explicit Inductive Bias for Transfer Learning with
       Convolutional Networks", ICML 2018, arXiv:1802.01483.
    """

    strength: float = 0.01

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    paper: ClassVar[str] = "Li et al. 2018, arXiv:1802.01483"
    binds_last: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ConfigError(f"strength must be above 0, got {self.strength}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Copy the weights of the encoder before training."""
        weights = list(context.network.encoder.parameters())
        return _Bound(self.strength, [(w, w.detach().clone()) for w in weights])


@dataclass(frozen=True, eq=False)
class _Bound(BoundTransfer):
    """Penalty on the distance to the copied weights."""

    reads_weights: ClassVar[bool] = True
    strength: float
    anchored: list[tuple[Any, Any]]

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Any:
        """Return half the squared distance of the trained weights, multiplied by the strength."""
        distances = [
            (weight - anchor.to(weight.device)).square().sum()
            for weight, anchor in self.anchored
            if weight.requires_grad
        ]
        return 0.5 * self.strength * sum(distances)
