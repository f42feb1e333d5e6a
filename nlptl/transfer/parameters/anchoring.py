"""Anchoring: the weights stay near those that were carried over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer


@dataclass(frozen=True)
class L2SP(Transfer):
    """Pull the weights of the encoder towards where they started, rather than towards zero [1]_.

    Half the squared distance to the pretrained weights, times a strength, is added to the loss.
    Written beside another transfer: ``transfer=[FullFineTune(), L2SP(0.01)]``; alone, all
    weights learn.

    Parameters
    ----------
    strength : float
        How strong the pull is, above 0.

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

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ConfigError(f"strength must be above 0, got {self.strength}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Remember where the weights of the encoder start."""
        weights = list(context.network.encoder.parameters())
        return _Bound(self.strength, [(w, w.detach().clone()) for w in weights])


@dataclass(frozen=True, eq=False)
class _Bound(BoundTransfer):
    """The pull towards the first weights."""

    reads_weights: ClassVar[bool] = True
    strength: float
    anchored: list[tuple[Any, Any]]

    def loss(self, outputs: Mapping[str, Any], progress: float) -> Any:
        """Give half the squared distance of what learns, times the strength."""
        away = [
            (weight - first.to(weight.device)).square().sum()
            for weight, first in self.anchored
            if weight.requires_grad
        ]
        return 0.5 * self.strength * sum(away)
