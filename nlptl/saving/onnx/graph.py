"""A fitted classifier as one ONNX graph that maps token ids and a mask to calibrated logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import sheltered
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.onnx.tracing import EncoderGraph
from nlptl.encoders.contextual.pooling import Pooling

OUTPUTS = ("logits", "vectors")


class ClassifierGraph(nn.Module):
    """A module that combines encoder, pooling and linear head in full precision.

    Parameters
    ----------
    loaded : LoadedEncoder
        The encoder; its weights are copied.
    pooling : Pooling
    head : tuple of (ndarray, ndarray)
        Weights (n_labels, width) for the output of ``join_layers``, and offset (n_labels,).
    """

    def __init__(
        self, loaded: LoadedEncoder, pooling: Pooling, head: tuple[FloatArray, FloatArray]
    ) -> None:
        super().__init__()
        self.features = EncoderGraph(loaded, pooling.tokens, pooling.layers)
        self.pooling = pooling
        weights, offset = (torch.from_numpy(part).float() for part in head)
        with sheltered():
            self.head = nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(weights)
            self.head.bias.copy_(offset)

    @property
    def encoder(self) -> Any:
        """The encoder in this module."""
        return self.features.encoder

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (n, n_labels), and the pooled vectors (n, n_layers, dim) behind them."""
        vectors = self.features(input_ids, attention_mask, token_type_ids)
        joined = vectors.mean(dim=1, keepdim=True) if self.pooling.join == "mean" else vectors
        if self.pooling.normalize:
            joined = functional.normalize(joined, dim=2, eps=1e-12)
        return self.head(joined.flatten(1)), vectors
