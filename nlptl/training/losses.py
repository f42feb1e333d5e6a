"""Loss functions that training minimises, one value per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

FOCUS = 2.0
"""Exponent of the focal loss: the higher, the less weight for rows that are already correct."""


def row_losses(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the loss of each row, of shape (n,).

    Parameters
    ----------
    logits : Tensor of shape (n, n_outputs)
    truth : Tensor of shape (n,) or (n, n_outputs)
        Its type selects the loss. Class codes (n,): cross-entropy. Zeros and ones (n, n_outputs):
        mean binary cross-entropy. Real numbers (n,), with one output per row: squared error.
    """
    from torch.nn import functional

    scores = logits.float()
    if truth.ndim == 1 and truth.is_floating_point():
        return (scores.squeeze(1) - truth.float()) ** 2
    if truth.ndim == 1:
        return functional.cross_entropy(scores, truth, reduction="none")
    losses = functional.binary_cross_entropy_with_logits(scores, truth.float(), reduction="none")
    return losses.mean(dim=1)


def as_truth(codes: AnyArray) -> Tensor:
    """Convert class codes, zeros and ones, or numbers to a tensor; floats become float32.

    Some devices, such as Apple GPUs, do not support float64.
    """
    import torch

    return torch.from_numpy(codes.astype(np.float32) if codes.dtype.kind == "f" else codes)


def focal_losses(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the focal loss [1]_ of each row, of shape (n,).

    It is the cross-entropy times ``(1 - p) ** 2``, where ``p`` is the probability of the true
    class. With several labels, it is the mean of this over the labels.

    References
    ----------
    .. [1] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002.
    """
    from torch.nn import functional

    scores = logits.float()
    if truth.ndim == 1:
        plain = functional.cross_entropy(scores, truth, reduction="none")
        return (1 - (-plain).exp()) ** FOCUS * plain
    plain = functional.binary_cross_entropy_with_logits(scores, truth.float(), reduction="none")
    return ((1 - (-plain).exp()) ** FOCUS * plain).mean(dim=1)


@dataclass(frozen=True, eq=False)
class LabelLosses:
    """Multi-label loss with one weight per label for rows with and without the label.

    The weights can give rare labels more influence.

    Attributes
    ----------
    absent, present : ndarray of shape (n_labels,)
        Weight of a row that does not have the label, and of a row that has it.
    """

    absent: FloatArray
    present: FloatArray

    def shares(self, shares: FloatArray) -> FloatArray:
        """Return the constant probabilities with the lowest mean loss.

        Parameters
        ----------
        shares : ndarray of shape (n_labels,)
            Share of the rows that have each label.
        """
        positive: FloatArray = self.present * shares
        return positive / np.maximum(positive + self.absent * (1 - shares), 1e-12)

    def __call__(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Return the weighted mean binary cross-entropy of each row, of shape (n,)."""
        import torch
        from torch.nn import functional

        scores, labels = logits.float(), truth.float()
        absent, present = (torch.from_numpy(w).to(scores) for w in (self.absent, self.present))
        weights = torch.where(labels > 0, present, absent)
        plain = functional.binary_cross_entropy_with_logits(scores, labels, reduction="none")
        return (plain * weights).mean(dim=1)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of losses (n,) weighted by weights (n,); 0 if all weights are 0."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)
