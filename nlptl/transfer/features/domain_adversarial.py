"""Adversarial adaptation: features from which a network cannot tell the domain of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer, WeightGroup
from nlptl.transfer.features.domain_loss import DomainLoss, DomainRows, check_weight

if TYPE_CHECKING:
    from torch import Tensor, nn

_DISCRIMINATOR = "domain_discriminator"
MAX_PRODUCTS, N_PROJECTED = 4096, 1024
"""Maximum number of products of features and probabilities. Above it, the products are replaced by
the given number of random projections."""


@dataclass(frozen=True)
class DomainAdversarial(Transfer):
    """Train the encoder against a network that tries to tell source from target texts.

    Pass the target texts to ``fit`` as ``unlabeled``. A small network, the discriminator, predicts
    the domain of each row from its features. Its gradient is reversed before it reaches the
    encoder, which therefore learns features without a trace of the domain [1]_. The strength of the
    reversed gradient rises during the training as ``2 / (1 + exp(-steepness * progress)) - 1``.
    Several sources count as one.

    Combine it with a transfer that chooses the trained weights:
    ``[FullFineTune(), DomainAdversarial()]``. Alone, it trains all weights. On product reviews, a
    weight of 1 lost accuracy on each of four pairs of domains, on two of them down to chance. The
    default lost 3.5 points on the pair that was measured (docs/domains.md). It can also hurt if the
    classes have other shares in the target. Compare it on labelled texts of the target.

    Parameters
    ----------
    conditional : bool
        True if the discriminator reads the products of the features and the predicted
        probabilities [2]_, so that it compares domains per class. This needs one label per text.
    hidden : int
        Number of hidden units of the discriminator, at least 1.
    weight : float
        Factor on the reversed gradient, above 0. The default was chosen on labelled training rows
        of one pair of domains.
    steepness : float
        Speed at which the reversed gradient gains strength, above 0.
    rate : float
        Factor on the learning rate of the discriminator, above 0. It starts at random, so it needs
        a higher rate than a pretrained encoder.

    References
    ----------
    .. [1] Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17, 2016,
       arXiv:1505.07818.
    .. [2] Long et al., "Conditional Adversarial Domain Adaptation", NeurIPS 2018,
       arXiv:1705.10667.
    """

    conditional: bool = False
    hidden: int = 100
    weight: float = 0.02
    steepness: float = 10.0
    rate: float = 10.0

    trains_encoder: ClassVar[bool] = True
    compares_domains: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Ganin et al. 2016, arXiv:1505.07818"

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ConfigError(f"hidden must be at least 1, got {self.hidden}.")
        for name in ("steepness", "rate"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}.")
        check_weight(self.weight, 0.0)
        if self.conditional:  # the class attributes describe the other form
            object.__setattr__(self, "supports", frozenset({"pairs"}))
            object.__setattr__(self, "needs_head", True)

    def bind(self, context: Context) -> BoundTransfer:
        """Return the loss for one network, with a new discriminator."""
        unlabeled = context.rows_of(context.unlabeled)
        discriminator = _discriminator(context.network.head, self)
        return _Bound(unlabeled, 1.0, 0.0, self, discriminator)


def reversal_strength(progress: float, steepness: float) -> float:
    """Return the strength of the reversed gradient, which rises from 0 to about 1.

    Parameters
    ----------
    progress : float
        Completed share of the training, from 0 to 1.
    steepness : float

    Examples
    --------
    >>> [round(reversal_strength(progress, 10.0), 3) for progress in (0.0, 0.1, 0.5, 1.0)]
    [0.0, 0.462, 0.987, 1.0]
    """
    return 2 / (1 + exp(-steepness * progress)) - 1


def with_reversed_gradient(values: Tensor, strength: float) -> Tensor:
    """Return the same values. Their gradient is multiplied by ``-strength``."""
    constant = values.detach()
    return constant + strength * (constant - values)


@dataclass(frozen=True, eq=False)
class _Bound(DomainLoss):
    """Discriminator of one network, and its loss."""

    spec: DomainAdversarial
    discriminator: Any

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the discriminator."""
        return {_DISCRIMINATOR: self.discriminator}

    def weight_groups(self, names: Sequence[str]) -> list[WeightGroup]:
        """Return the weights of the discriminator and all others; the former are trained faster."""
        start = f"extras.{_DISCRIMINATOR}."
        discriminator = [name for name in names if name.startswith(start)]
        others = [name for name in names if not name.startswith(start)]
        return [WeightGroup(discriminator, self.spec.rate), WeightGroup(others)]

    def value(self, rows: DomainRows, progress: float) -> Tensor | None:
        """Return the loss of the discriminator; None if a domain has no row.

        Both domains have the same total weight.
        """
        from torch.nn import functional

        if not len(rows.source) or not len(rows.target):
            return None
        strength = self.spec.weight * reversal_strength(progress, self.spec.steepness)
        source, target = (
            self.discriminator(with_reversed_gradient(features, strength), logits.detach())
            for features, logits in (
                (rows.source, rows.source_logits),
                (rows.target, rows.target_logits),
            )
        )
        return (functional.softplus(-source).mean() + functional.softplus(target).mean()) / 2


def _discriminator(head: nn.Module, spec: DomainAdversarial) -> Any:
    """Build the network that predicts the domain, for the input and output of a head."""
    import torch
    from torch import nn

    layers = [part for part in head.modules() if isinstance(part, nn.Linear)]
    n_features, n_outputs = layers[0].in_features, layers[-1].out_features
    n_products = n_features * (n_outputs if spec.conditional else 1)
    projects = spec.conditional and n_products > MAX_PRODUCTS

    class Discriminator(nn.Module):
        """Network from features and logits to one score: positive for the source."""

        of_features: Tensor
        of_classes: Tensor

        def __init__(self) -> None:
            super().__init__()
            if projects:
                for name, size in (("of_features", n_features), ("of_classes", n_outputs)):
                    self.register_buffer(name, torch.randn(size, N_PROJECTED), persistent=False)
            self.layers = nn.Sequential(
                nn.LayerNorm(n_features, elementwise_affine=False),
                nn.Linear(N_PROJECTED if projects else n_products, spec.hidden),
                nn.ReLU(),
                nn.Linear(spec.hidden, 1),
            )

        def forward(self, features: Tensor, logits: Tensor) -> Tensor:
            inputs = self.layers[0](features)
            if spec.conditional:
                inputs = self.products(inputs, logits.softmax(dim=1))
            scores: Tensor = self.layers[1:](inputs)
            return scores.squeeze(1)

        def products(self, features: Tensor, shares: Tensor) -> Tensor:
            if not projects:
                return (features[:, :, None] * shares[:, None, :]).flatten(1)
            projected: Tensor = (features @ self.of_features) * (shares @ self.of_classes)
            return projected / sqrt(N_PROJECTED)

    return Discriminator()
