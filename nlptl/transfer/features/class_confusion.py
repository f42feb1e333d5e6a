"""Class confusion: make the predictions for unlabelled target texts less ambiguous."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer
from nlptl.transfer.features.domain_loss import DomainLoss, DomainRows, check_weight

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClassConfusion(Transfer):
    """Train the encoder so that predictions for unlabelled target texts confuse few classes.

    Pass the target texts to ``fit`` as ``unlabeled``. For each pair of classes, the loss measures
    how often texts of the target get a high probability of both [1]_. Confident predictions count
    more. The loss reads only class scores, so that the features of the domains may differ.

    Combine it with a transfer that chooses the trained weights:
    ``[FullFineTune(), ClassConfusion()]``. Alone, it trains all weights. It needs one label per
    text. It can make a model more confident in its mistakes: see ``history_.domains``.

    Parameters
    ----------
    temperature : float
        Divisor of the class scores, above 0. The higher it is, the more confident predictions
        count as confused.
    weight : float
        Factor on the loss, above 0.
    ramp : float
        Share of the training in which the factor rises from 0 to ``weight``; from 0 to 1.

    References
    ----------
    .. [1] Jin et al., "Minimum Class Confusion for Versatile Domain Adaptation", ECCV 2020,
       arXiv:1912.03699.
    """

    temperature: float = 2.5
    weight: float = 1.0
    ramp: float = 0.3

    trains_encoder: ClassVar[bool] = True
    compares_domains: ClassVar[bool] = True
    needs_head: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs"})
    paper: ClassVar[str] = "Jin et al. 2020, arXiv:1912.03699"

    def __post_init__(self) -> None:
        if not 0 < self.temperature < inf:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}.")
        check_weight(self.weight, self.ramp)

    def bind(self, context: Context) -> BoundTransfer:
        """Return the loss for one network."""
        unlabeled = context.rows_of(context.unlabeled)
        return _Bound(unlabeled, self.weight, self.ramp, self.temperature)


@dataclass(frozen=True, eq=False)
class _Bound(DomainLoss):
    """Class confusion of the unlabelled rows of a step."""

    temperature: float

    def value(self, rows: DomainRows, progress: float) -> Tensor | None:
        """Return the class confusion of the unlabelled rows; None without such rows."""
        if not rows.n_unlabeled:
            return None
        return confusion_loss(rows.unlabeled_logits, temperature=self.temperature)


def confusion_loss(logits: Tensor, *, temperature: float) -> Tensor:
    """Compute the class confusion of predictions [1]_.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
    temperature : float
        Divisor of the logits.

    Returns
    -------
    Tensor
        A scalar from 0 to 1: the mean share of its confusion that a class has with other classes.

    References
    ----------
    .. [1] Jin et al., "Minimum Class Confusion for Versatile Domain Adaptation", ECCV 2020,
       arXiv:1912.03699.
    """
    import torch
    from torch.nn import functional

    log_shares = functional.log_softmax(logits / temperature, dim=1)
    shares = log_shares.exp()
    entropy = -(shares * log_shares).sum(dim=1).detach()
    weights = 1 + torch.exp(-entropy)
    weights = weights / weights.mean()
    confusion = (shares * weights[:, None]).T @ shares
    confusion = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return 1 - confusion.diagonal().mean()
