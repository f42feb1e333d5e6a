"""Contrastive tuning: pull texts of one class together and push other texts away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Outputs, Transfer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Contrastive(Transfer):
    """Pull texts of the same class together before a head is fitted; for few labels per class.

    Each text of a batch is encoded once and compared with all others. The loss pulls it closer to
    the texts of its class than to the rest [1]_. With eight labels per class, this changes an
    encoder more than training with a classifier can [2]_. The cost grows with the number of rows,
    not with the number of pairs. The head is then fitted to the features of the tuned encoder.

    Combine it with a transfer that chooses the trained weights: ``[Contrastive(), LoRA()]`` or
    ``[Contrastive(), FullFineTune(layers=2)]``. Alone, it trains all weights.

    Parameters
    ----------
    temperature : float
        Divisor of the cosine similarities, above 0. The smaller it is, the more the nearest rows
        count.
    steps : int or None
        Number of optimiser steps. None derives it from the number of rows and classes.
        ``TrainingConfig(max_steps=...)`` has priority.
    seeds : int
        Number of trainings with different seeds, at least 1. Their encoders are averaged [3]_.
        Adapters are averaged only if they are plain LoRA; of other types the last one is kept.

    References
    ----------
    .. [1] Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, arXiv:2004.11362.
    .. [2] Tunstall et al., "Efficient Few-Shot Learning Without Prompts", 2022,
       arXiv:2209.11055.
    .. [3] Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
       accuracy without increasing inference time", ICML 2022, arXiv:2203.05482.
    """

    temperature: float = 0.1
    steps: int | None = None
    seeds: int = 1

    trains_encoder: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels"})
    paper: ClassVar[str] = "Khosla et al. 2020, arXiv:2004.11362"

    refits_head: ClassVar[bool] = True
    """True, because the head is fitted after the encoder was tuned."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps must be at least 1, or None, got {self.steps}.")
        if self.seeds < 1:
            raise ConfigError(f"seeds must be at least 1, got {self.seeds}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Return the contrastive loss for one network."""
        return _Bound(self.temperature)


@dataclass(frozen=True)
class _Bound(BoundTransfer):
    """Contrastive loss on the rows of a batch."""

    temperature: float
    replaces_loss: ClassVar[bool] = True
    compares_rows: ClassVar[bool] = True
    batches_by_class: ClassVar[bool] = True

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Any:
        """Return the supervised contrastive loss of the labelled rows."""
        rows = outputs["task"]
        return contrastive_loss(
            rows.features, rows.batch.truth, rows.batch.weights, temperature=self.temperature
        )


def contrastive_loss(
    features: Tensor, truth: Tensor, weights: Tensor, *, temperature: float
) -> Tensor:
    """Compute the supervised contrastive loss of a batch [1]_.

    It is small if each row is closer to the rows of its class than to all other rows.

    Parameters
    ----------
    features : Tensor of shape (n, n_features)
        Vectors of any length. Only their directions are compared.
    truth : Tensor of shape (n,) or (n, n_labels)
        Class codes, or zeros and ones for several labels per row. Rows with several labels belong
        together by their label overlap: common labels divided by labels that either row has.
    weights : Tensor of shape (n,)
        Weight of each row.
    temperature : float
        Divisor of the cosine similarities.

    Returns
    -------
    Tensor
        A scalar: the weighted mean over rows with another row of their class in the batch. It is
        0 if there are none.

    References
    ----------
    .. [1] Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, arXiv:2004.11362.
    """
    import torch
    from torch.nn import functional

    unit = functional.normalize(features.float(), dim=1)
    diagonal = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    similarity = (unit @ unit.T / temperature).masked_fill(diagonal, float("-inf"))
    log_shares = functional.log_softmax(similarity, dim=1).masked_fill(diagonal, 0.0)
    overlap = _label_overlap(truth).masked_fill(diagonal, 0.0)
    totals = overlap.sum(dim=1)
    losses = -(overlap * log_shares).sum(dim=1) / totals.clamp(min=1e-12)
    row_weights = weights * (totals > 0)
    return (losses * row_weights).sum() / row_weights.sum().clamp(min=1e-12)


def _label_overlap(truth: Tensor) -> Tensor:
    """Return the share of labels that each pair of rows has in common: (n, n)."""
    if truth.ndim == 1:
        return (truth[:, None] == truth[None, :]).float()
    indicators = truth.float()
    common, sizes = indicators @ indicators.T, indicators.sum(dim=1)
    return common / (sizes[:, None] + sizes[None, :] - common).clamp(min=1)
