"""Contrastive tuning: texts of one class are drawn together, those of others apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Context, Transfer


@dataclass(frozen=True)
class Contrastive(Transfer):
    """Texts of one class are drawn together before a head is fitted: for a handful of labels.

    Every text of a batch is encoded once, and each is compared with all others: it is to be
    nearer to those of its class than to the rest [1]_. That moves an encoder further with eight
    labels a class than a classifier can [2]_, at a cost that grows with the rows and not with
    their pairs. The head is then fitted to what the encoder became.

    It stands beside what says which weights learn: ``[Contrastive(), LoRA()]``,
    ``[Contrastive(), FullFineTune(layers=2)]``; alone, all of them do.

    Parameters
    ----------
    temperature : float
        Cosines are divided by it: the smaller, the more the nearest rows decide. Above 0.
    steps : int or None
        Optimiser steps; None takes them by the number of rows and classes.
        ``TrainingConfig(max_steps=...)`` has the last word.
    seeds : int
        Trainings, each from a seed of its own, whose encoders are averaged [3]_. At least 1.
        Of adapters, plain ones of LoRA only: of other kinds the last training is kept.

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
    paper: ClassVar[str] = "Khosla et al. 2020, arXiv:2004.11362"

    refits_head: ClassVar[bool] = True
    """The head is fitted once the encoder is tuned, instead of learning with it."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps must be at least 1, or None, got {self.steps}.")
        if self.seeds < 1:
            raise ConfigError(f"seeds must be at least 1, got {self.seeds}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Make ready to compare the rows of each batch."""
        return _Bound(self.temperature)


@dataclass(frozen=True)
class _Bound(BoundTransfer):
    """The comparison of the rows of a batch."""

    temperature: float
    replaces_loss: ClassVar[bool] = True
    compares_rows: ClassVar[bool] = True

    def loss(self, outputs: Mapping[str, Any], progress: float) -> Any:
        """Give the supervised contrastive loss of the labelled rows."""
        rows = outputs["task"]
        return contrastive_loss(
            rows.features, rows.batch.truth, rows.batch.weights, temperature=self.temperature
        )


def contrastive_loss(features: Any, truth: Any, weights: Any, *, temperature: float) -> Any:
    """Give how far each row is from those of its class, against all other rows [1]_.

    Parameters
    ----------
    features : Tensor of shape (n, n_features)
        Of any length; directions are compared.
    truth : Tensor of shape (n,) or (n, n_labels)
        Class codes; or zeros and ones, where rows belong together by the share of labels that
        they have in common (of those that either has).
    weights : Tensor of shape (n,)
        What each row counts.
    temperature : float
        Divides the cosines.

    Returns
    -------
    Tensor
        A scalar: the mean over rows that have others of their class in the batch, 0 without any.

    References
    ----------
    .. [1] Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, arXiv:2004.11362.
    """
    import torch
    from torch.nn import functional

    unit = functional.normalize(features.float(), dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    closeness = (unit @ unit.T / temperature).masked_fill(itself, float("-inf"))
    sure = functional.log_softmax(closeness, dim=1).masked_fill(itself, 0.0)
    together = _together(truth).masked_fill(itself, 0.0)
    shares = together.sum(dim=1)
    losses = -(together * sure).sum(dim=1) / shares.clamp(min=1e-12)
    counted = weights * (shares > 0)
    return (losses * counted).sum() / counted.sum().clamp(min=1e-12)


def _together(truth: Any) -> Any:
    """Give for each two rows the share of labels that they have in common: (n, n)."""
    if truth.ndim == 1:
        return (truth[:, None] == truth[None, :]).float()
    marked = truth.float()
    common, sizes = marked @ marked.T, marked.sum(dim=1)
    return common / (sizes[:, None] + sizes[None, :] - common).clamp(min=1)
