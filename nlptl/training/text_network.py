"""An encoder and a head as one network. Imports torch: import it where it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.chance import torch_seed
from nlptl.data.batches import by_length, like_lengths
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.forward import layer_vectors, padded
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS, Pooling
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import TrainingConfig
from nlptl.training.loop import History, Learner, make_accelerator, place, train
from nlptl.training.losses import row_losses, weighted_mean

_TOKENS_UNSEEN = 8192


class TextNetwork(nn.Module):
    """From tokens to logits.

    Parameters
    ----------
    encoder : torch.nn.Module
        A transformers model.
    head : torch.nn.Module
        Takes (n, n_features), gives (n, n_outputs).
    pooling : Pooling
        How hidden states become features, as in ``TransformerEncoder``.
    weights : ndarray of shape (n_groups,)
        What each layer counts; layers of weight 0 are left out.
    scale : float
        Features are multiplied by it before the head.
    """

    def __init__(
        self, encoder: Any, head: Any, *, pooling: Pooling, weights: FloatArray, scale: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.pooling = pooling
        self.weights = [float(weight) for weight in weights]
        self.scale = scale

    def forward(self, inputs: dict[str, Any]) -> torch.Tensor:
        """Give logits (n, n_outputs) of a padded batch."""
        pool = TOKEN_POOLINGS[self.pooling.tokens]
        vectors = layer_vectors(self.encoder, inputs, layers=self.pooling.layers, pool=pool)
        if self.pooling.join == "mean":
            vectors = vectors.mean(dim=1, keepdim=True)
        if self.pooling.normalize:
            vectors = nn.functional.normalize(vectors, dim=2)
        kept = [vectors[:, i] * weight for i, weight in enumerate(self.weights) if weight]
        logits: torch.Tensor = self.head(torch.cat(kept, dim=1) * self.scale)
        return logits


@dataclass(frozen=True)
class LabelledWindows:
    """Tokenized rows with their labels.

    Attributes
    ----------
    windows : Windows
        One window a row.
    targets : Targets
        Of the same rows.
    padding : int
        Token id to pad with.
    """

    windows: Windows
    targets: Targets
    padding: int

    def batch(self, some: IntArray, where: Any) -> tuple[Any, Any, Any]:
        """Give inputs, truth and weights of some rows on a device."""
        given = self.targets.weights
        weights = np.ones(len(some)) if given is None else given[some]
        inputs = padded(self.windows, some, padding=self.padding)
        return (
            {name: part.to(where) for name, part in inputs.items()},
            torch.from_numpy(self.targets.codes[some]).to(where),
            torch.from_numpy(weights.astype(np.float32)).to(where),
        )


def tune(
    learner: Learner,
    rows: LabelledWindows,
    *,
    config: TrainingConfig,
    seed: int,
    device: str | None,
    unseen: LabelledWindows | None = None,
) -> History:
    """Train a ``TextNetwork`` in place, all weights that require gradients.

    Parameters
    ----------
    learner : Learner
        The network with the rates of its weights.
    rows : LabelledWindows
        What to learn from.
    config : TrainingConfig
    seed : int
        Of order and dropout.
    device : str or None
    unseen : LabelledWindows, optional
        Rows whose log loss decides which epoch is kept, and when to stop.
    """
    accelerator = make_accelerator(device)
    where = place(accelerator, device)
    learner.module.to(where)

    def batches(epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        rng = np.random.default_rng((seed, epoch))
        for some in like_lengths(rows.windows.sizes, config.batch_size, rng=rng):
            yield rows.batch(some, where)

    with torch_seed(seed):
        return train(
            learner,
            batches,
            loss_of=_loss,
            config=config,
            accelerator=accelerator,
            score=None if unseen is None else lambda network: -log_loss(network, unseen),
        )


def logits_of(network: TextNetwork, windows: Windows, *, padding: int) -> FloatArray:
    """Give the logits of each window, in order: (n, n_outputs)."""
    where = next(network.parameters()).device
    was_training = network.training
    network.eval()
    parts, order = [], []
    with torch.inference_mode():
        for some in by_length(windows.sizes, tokens_per_batch=_TOKENS_UNSEEN):
            inputs = {n: t.to(where) for n, t in padded(windows, some, padding=padding).items()}
            parts.append(network(inputs).float().cpu().numpy())
            order.append(some)
    network.train(was_training)
    found: FloatArray = np.concatenate(parts)
    return found[np.argsort(np.concatenate(order))]


def log_loss(network: TextNetwork, rows: LabelledWindows) -> float:
    """Give the mean loss of rows that are not learnt from."""
    logits = torch.from_numpy(logits_of(network, rows.windows, padding=rows.padding))
    losses = row_losses(logits, torch.from_numpy(rows.targets.codes)).numpy()
    return float(np.average(losses, weights=rows.targets.weights))


def _loss(model: Any, batch: tuple[Any, Any, Any]) -> Any:
    inputs, truth, weights = batch
    return weighted_mean(row_losses(model(inputs), truth), weights)
