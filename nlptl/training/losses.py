"""What training makes small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray

FOCUS = 2.0
"""How strongly the focal loss turns away from rows that are right already."""


def row_losses(logits: Any, truth: Any) -> Any:
    """Give the loss of each row: (n,).

    Parameters
    ----------
    logits : Tensor of shape (n, n_outputs)
    truth : Tensor of shape (n,) or (n, n_outputs)
        Class codes: cross-entropy. Zeros and ones: the mean of the binary cross-entropies. Real
        numbers (n,), with one output a row: the squared error.
    """
    from torch.nn import functional

    scores = logits.float()
    if truth.ndim == 1 and truth.is_floating_point():
        return (scores.squeeze(1) - truth.float()) ** 2
    if truth.ndim == 1:
        return functional.cross_entropy(scores, truth, reduction="none")
    losses = functional.binary_cross_entropy_with_logits(scores, truth.float(), reduction="none")
    return losses.mean(dim=1)


def as_truth(codes: AnyArray) -> Any:
    """Give class codes, zeros and ones, or numbers as a tensor that every device can hold."""
    import torch

    return torch.from_numpy(codes.astype(np.float32) if codes.dtype.kind == "f" else codes)


def focal_losses(logits: Any, truth: Any) -> Any:
    """Give the focal loss [1]_ of each row: (n,).

    The cross-entropy of a class, or of each of several labels, times the square of the
    probability that was missing.

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
    """The loss of rows with several labels, each label counting by how rare it is.

    Attributes
    ----------
    absent, present : ndarray of shape (n_labels,)
        What a row counts for a label that it has not, and for one that it has.
    """

    absent: FloatArray
    present: FloatArray

    def shares(self, shares: FloatArray) -> FloatArray:
        """Give the probabilities of least loss for rows of which some shares have the labels."""
        counted: FloatArray = self.present * shares
        return counted / np.maximum(counted + self.absent * (1 - shares), 1e-12)

    def __call__(self, logits: Any, truth: Any) -> Any:
        """Give the weighted mean of the binary cross-entropies of each row: (n,)."""
        import torch
        from torch.nn import functional

        scores, marked = logits.float(), truth.float()
        sides = [torch.from_numpy(side).to(scores) for side in (self.absent, self.present)]
        weights = torch.where(marked > 0, sides[1], sides[0])
        plain = functional.binary_cross_entropy_with_logits(scores, marked, reduction="none")
        return (plain * weights).mean(dim=1)


def weighted_mean(losses: Any, weights: Any) -> Any:
    """Average losses (n,) by weights (n,); zero where all weights are."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)
