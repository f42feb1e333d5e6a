"""What training makes small."""

from __future__ import annotations

from typing import Any


def row_losses(logits: Any, truth: Any) -> Any:
    """Give the loss of each row: (n,).

    Parameters
    ----------
    logits : Tensor of shape (n, n_outputs)
    truth : Tensor of shape (n,) or (n, n_outputs)
        Class codes: cross-entropy. Zeros and ones: the mean of the binary cross-entropies.
    """
    from torch.nn import functional

    scores = logits.float()
    if truth.ndim == 1:
        return functional.cross_entropy(scores, truth, reduction="none")
    losses = functional.binary_cross_entropy_with_logits(scores, truth.float(), reduction="none")
    return losses.mean(dim=1)


def weighted_mean(losses: Any, weights: Any) -> Any:
    """Average losses (n,) by weights (n,); zero where all weights are."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)
