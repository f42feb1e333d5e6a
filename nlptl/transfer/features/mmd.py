"""Maximum mean discrepancy: a distance between the features of two domains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer
from nlptl.transfer.features.domain_loss import DomainLoss, DomainRows, check_weight

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MMD(Transfer):
    """Train the encoder so that source and target texts have similar distributions of features.

    Pass the target texts to ``fit`` as ``unlabeled``. The loss is the maximum mean discrepancy
    with several Gaussian kernels [1]_, as an unbiased estimate from the rows of a step. Several
    sources count as one.

    Combine it with a transfer that chooses the trained weights: ``[FullFineTune(), MMD()]``. Alone,
    it trains all weights. A step needs two rows per domain; other steps have no such loss. The
    estimate varies less with more rows: use ``TrainingConfig(batch_size=32)`` or more.

    Parameters
    ----------
    bandwidths : sequence of float
        Widths of the kernels, relative to the mean squared distance between the rows of a step;
        each above 0.
    weight : float
        Factor on the loss, above 0.
    ramp : float
        Share of the training in which the factor rises from 0 to ``weight``; from 0 to 1.

    References
    ----------
    .. [1] Long et al., "Learning Transferable Features with Deep Adaptation Networks", ICML 2015,
       arXiv:1502.02791.
    """

    bandwidths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    weight: float = 1.0
    ramp: float = 0.3

    trains_encoder: ClassVar[bool] = True
    compares_domains: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Long et al. 2015, arXiv:1502.02791"

    def __post_init__(self) -> None:
        if not isinstance(self.bandwidths, Iterable):
            raise ConfigError(f"bandwidths must be several numbers, got {self.bandwidths!r}.")
        # A tuple, so that the transfer can be compared, copied and stored.
        object.__setattr__(self, "bandwidths", tuple(self.bandwidths))
        if not self.bandwidths or not all(0 < width < inf for width in self.bandwidths):
            raise ConfigError(
                f"bandwidths must be one or several numbers above 0, got {self.bandwidths}."
            )
        check_weight(self.weight, self.ramp)

    def bind(self, context: Context) -> BoundTransfer:
        """Return the loss for one network."""
        unlabeled = context.rows_of(context.unlabeled)
        return _Bound(unlabeled, self.weight, self.ramp, self.bandwidths)


@dataclass(frozen=True, eq=False)
class _Bound(DomainLoss):
    """Discrepancy between the source rows and the target rows of a step."""

    bandwidths: tuple[float, ...]

    def value(self, rows: DomainRows, progress: float) -> Tensor | None:
        """Return the discrepancy; None if a domain has fewer than two rows."""
        if min(len(rows.source), len(rows.target)) < 2:
            return None
        return squared_mmd(rows.source, rows.target, bandwidths=self.bandwidths)


def squared_mmd(source: Tensor, target: Tensor, *, bandwidths: Sequence[float]) -> Tensor:
    """Compute an unbiased estimate of the squared maximum mean discrepancy [1]_.

    The kernel is the mean of the Gaussian kernels ``exp(-distance ** 2 / (width * mean))``, where
    ``mean`` is the mean squared distance between two rows. It has no gradient.

    Parameters
    ----------
    source, target : Tensor of shape (n_source, n_features) and (n_target, n_features)
        At least two rows each.
    bandwidths : sequence of float
        Width of each kernel, relative to the mean squared distance.

    Returns
    -------
    Tensor
        A scalar. It is negative if the rows are closer to the other domain than to their own.

    References
    ----------
    .. [1] Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012.
    """
    import torch

    rows = torch.cat([source, target])
    rows = rows - rows.mean(dim=0).detach()  # small values keep the differences exact
    squares = rows.square().sum(dim=1)
    distances = (squares[:, None] + squares[None, :] - 2 * rows @ rows.T).clamp(min=0)
    n, n_source, n_target = len(rows), len(source), len(target)
    different = ~torch.eye(n, dtype=torch.bool, device=rows.device)
    mean = distances.detach()[different].mean().clamp(min=1e-12)
    kernel = torch.stack([torch.exp(-distances / (width * mean)) for width in bandwidths]).mean(0)
    kernel = kernel * different
    within_source = kernel[:n_source, :n_source].sum() / (n_source * (n_source - 1))
    within_target = kernel[n_source:, n_source:].sum() / (n_target * (n_target - 1))
    return within_source + within_target - 2 * kernel[:n_source, n_source:].mean()
