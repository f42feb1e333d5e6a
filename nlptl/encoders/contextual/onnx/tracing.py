"""An encoder with its pooling as a module that can be written as a graph."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS

_OPSET = 17
_MAX_GRAPH_BYTES = 2_000_000_000


class EncoderGraph(nn.Module):
    """A module that combines an encoder with its pooling, in full precision.

    Parameters
    ----------
    loaded : LoadedEncoder
        The encoder; its weights are copied.
    tokens : str
        Pooling of the tokens: a name of ``TOKEN_POOLINGS``.
    layers : sequence of int
        Hidden states to pool.
    """

    def __init__(self, loaded: LoadedEncoder, tokens: str, layers: Sequence[int]) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(loaded.model).float().cpu().eval()
        self.only_last = all(layer in (-1, loaded.folder.n_layers) for layer in layers)
        dense = loaded.dense if self.only_last else None
        self.dense = copy.deepcopy(dense).float().cpu() if dense is not None else nn.Identity()
        self.tokens, self.layers = tokens, tuple(layers)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Return the pooled vectors: (n, n_layers, dim)."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        vectors: Tensor = self.dense(self._pooled(inputs, attention_mask))
        return vectors

    def _pooled(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        pool = TOKEN_POOLINGS[self.tokens]
        if self.tokens == "stock":
            return torch.as_tensor(self.encoder(**inputs).logits).unsqueeze(1)
        outputs: Any = self.encoder(**inputs, output_hidden_states=not self.only_last)
        if self.only_last:
            last = pool(outputs.last_hidden_state, mask)
            return torch.stack([last] * len(self.layers), dim=1)
        states = outputs.hidden_states
        return torch.stack([pool(states[layer], mask) for layer in self.layers], dim=1)


def write_graph(
    graph: nn.Module, encoder: Any, path: Path, *, kinds: bool, outputs: Sequence[str]
) -> None:
    """Write a module as a graph with dynamic axes for texts and tokens.

    Parameters
    ----------
    graph : Module
        The module to trace.
    encoder : PreTrainedModel
        The encoder in it. It is set to eager attention, which every model family supports.
    path : Path
        The file to write.
    kinds : bool
        True if the graph has an input ``token_type_ids``: which text of a pair a token belongs to.
    outputs : sequence of str
        Names of the outputs. The first axis of each is the texts.

    Raises
    ------
    ConfigError
        If the weights are too large for one file.
    """
    size = sum(4 * part.numel() for part in graph.parameters())
    if size > _MAX_GRAPH_BYTES:
        raise ConfigError(
            f"A graph can hold at most 2 GB in one file, got a model of {size / 1e9:.1f} GB. "
            "Save the model, or fit with a smaller encoder."
        )
    encoder.set_attn_implementation("eager")
    ids = torch.full((2, 8), int(encoder.config.pad_token_id or 0))
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
            output_names=list(outputs),
            dynamic_axes={**axes, **{name: {0: "texts"} for name in outputs}},
            opset_version=_OPSET,
            # The newer exporter is slower and needs an additional package.
            dynamo=False,
        )
