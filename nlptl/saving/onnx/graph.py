"""A fitted classifier as one graph: token ids and a mask in, calibrated logits out."""

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
    """Encoder, pooling and linear head in full precision, as one module.

    Parameters
    ----------
    loaded : LoadedEncoder
        The weights; they are copied.
    pooling : Pooling
    head : tuple of (ndarray, ndarray)
        Weights (n_labels, width) of what ``join_layers`` gives, and offset (n_labels,).
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
        """Give logits (n, n_labels), and the vectors (n, n_layers, dim) that they come from."""
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            given["token_type_ids"] = token_type_ids
        vectors = self.dense(self._pooled(given, attention_mask))
        joined = vectors.mean(dim=1, keepdim=True) if self.pooling.join == "mean" else vectors
        if self.pooling.normalize:
            joined = functional.normalize(joined, dim=2, eps=1e-12)
        return self.head(joined.flatten(1)), vectors

    def _pooled(self, given: dict[str, Tensor], mask: Tensor) -> Tensor:
        pool = TOKEN_POOLINGS[self.pooling.tokens]
        layers = self.pooling.layers
        if self.pooling.tokens == "stock":
            return torch.as_tensor(self.encoder(**given).logits).unsqueeze(1)
        said: Any = self.encoder(**given, output_hidden_states=not self.only_last)
        if self.only_last:
            return torch.stack([pool(said.last_hidden_state, mask)] * len(layers), dim=1)
        return torch.stack([pool(said.hidden_states[layer], mask) for layer in layers], dim=1)


def write_graph(graph: ClassifierGraph, path: Path, *, kinds: bool) -> None:
    """Write the graph with open axes for texts and tokens.

    Parameters
    ----------
    graph : ClassifierGraph
        It is traced with plain attention, which every family has.
    path : Path
        The file.
    kinds : bool
        Whether it is told which text of a pair a token is of.
    """
    graph.encoder.set_attn_implementation("eager")
    ids = torch.full((2, 8), int(graph.encoder.config.pad_token_id or 0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0  # without padding the trace would forget the mask
    given = {"input_ids": ids, "attention_mask": mask}
    if kinds:
        given["token_type_ids"] = torch.zeros_like(ids)
    axes = {name: {0: "texts", 1: "tokens"} for name in given}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of sizes that are fixed here, which the check looks at
        torch.onnx.export(
            graph.eval(),
            tuple(given.values()),
            path,
            input_names=list(given),
            output_names=["logits", "vectors"],
            dynamic_axes={**axes, "logits": {0: "texts"}, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            # The newer exporter takes longer, and needs a package more.
            dynamo=False,
        )
