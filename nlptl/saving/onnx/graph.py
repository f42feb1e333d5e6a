"""A fitted classifier as one ONNX graph that maps token ids and a mask to calibrated logits."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import sheltered
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS, Pooling

_OPSET = 17


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
        self.encoder = copy.deepcopy(loaded.model).float().cpu().eval()
        last = (-1, loaded.folder.n_layers)
        self.only_last = all(layer in last for layer in pooling.layers)
        dense = loaded.dense if self.only_last else None
        self.dense = copy.deepcopy(dense).float().cpu() if dense is not None else nn.Identity()
        self.pooling = pooling
        weights, offset = (torch.from_numpy(part).float() for part in head)
        with sheltered():
            self.head = nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(weights)
            self.head.bias.copy_(offset)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (n, n_labels), and the pooled vectors (n, n_layers, dim) behind them."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        vectors = self.dense(self._pooled(inputs, attention_mask))
        joined = vectors.mean(dim=1, keepdim=True) if self.pooling.join == "mean" else vectors
        if self.pooling.normalize:
            joined = functional.normalize(joined, dim=2, eps=1e-12)
        return self.head(joined.flatten(1)), vectors

    def _pooled(self, inputs: dict[str, Tensor], mask: Tensor) -> Tensor:
        pool = TOKEN_POOLINGS[self.pooling.tokens]
        layers = self.pooling.layers
        if self.pooling.tokens == "stock":
            return torch.as_tensor(self.encoder(**inputs).logits).unsqueeze(1)
        outputs: Any = self.encoder(**inputs, output_hidden_states=not self.only_last)
        if self.only_last:
            return torch.stack([pool(outputs.last_hidden_state, mask)] * len(layers), dim=1)
        return torch.stack([pool(outputs.hidden_states[layer], mask) for layer in layers], dim=1)


def write_graph(graph: ClassifierGraph, path: Path, *, kinds: bool) -> None:
    """Write the graph with dynamic axes for texts and tokens.

    Parameters
    ----------
    graph : ClassifierGraph
        The module to trace. It uses eager attention, which every model family supports.
    path : Path
        The file to write.
    kinds : bool
        True if the graph has an input ``token_type_ids``: which text of a pair a token belongs to.
    """
    graph.encoder.set_attn_implementation("eager")
    ids = torch.full((2, 8), int(graph.encoder.config.pad_token_id or 0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0  # without padding the trace would ignore the mask
    inputs = {"input_ids": ids, "attention_mask": mask}
    if kinds:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    axes = {name: {0: "texts", 1: "tokens"} for name in inputs}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # warnings of fixed sizes: the later check covers them
        torch.onnx.export(
            graph.eval(),
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=["logits", "vectors"],
            dynamic_axes={**axes, "logits": {0: "texts"}, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            # The newer exporter is slower and needs an additional package.
            dynamo=False,
        )
