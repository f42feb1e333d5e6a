"""Run an encoder on windows of tokens, in batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError, EncoderNotFoundError
from nlptl.data.batches import by_length
from nlptl.encoders.contextual.loaded import LoadedEncoder
from nlptl.encoders.contextual.padding import padding_id
from nlptl.encoders.contextual.pooling import TokenPooling, mean_over_tokens, stock_vector
from nlptl.encoders.contextual.windows import Windows, check_tokens

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TOKENS_ON_PROCESSOR = {"float32": 1024, "bfloat16": 2048}
"""Padded tokens per batch on a CPU, so that the working set fits into the CPU cache.

Among 512 to 8,192 tokens, these values are the fastest or within 4 % of it (texts of 15 to 256
tokens)."""

_ON_ACCELERATOR = 65_536


def pooled_states(
    loaded: LoadedEncoder,
    windows: Windows,
    *,
    layers: Sequence[int],
    pool: TokenPooling,
) -> FloatArray:
    """Encode windows and pool the tokens of each layer.

    Parameters
    ----------
    loaded : LoadedEncoder
        The encoder.
    windows : Windows
        Token ids, including special tokens.
    layers : sequence of int
        Hidden states to use. 0 is the embedding layer, -1 the last layer.
    pool : callable
        Takes states (n, tokens, dim) and a mask (n, tokens). Returns (n, dim).

    Returns
    -------
    ndarray of shape (n_windows, n_layers, dim), float32
        In the order of ``windows``.
    """
    import torch

    padding = padding_id(loaded.folder, stock=pool is stock_vector)
    on_processor = TOKENS_ON_PROCESSOR.get(loaded.dtype, 1024)
    budget = on_processor if loaded.device == "cpu" else _ON_ACCELERATOR
    pooled: FloatArray | None = None
    with torch.inference_mode():
        for rows in by_length(windows.sizes, tokens_per_batch=budget):
            inputs = padded(windows, rows, padding=padding)
            inputs = {name: part.to(loaded.device) for name, part in inputs.items()}
            states = _batch_states(loaded, inputs, layers, pool)
            if pooled is None:
                pooled = np.empty((len(windows.ids), *states.shape[1:]), dtype=np.float32)
            pooled[rows] = states
    if pooled is None:
        return np.zeros((0, len(layers), loaded.folder.hidden_size), dtype=np.float32)
    return pooled


def hidden_means(
    loaded: LoadedEncoder, windows: Sequence[Sequence[int]], layers: Sequence[int]
) -> FloatArray:
    """Compute the mean token vector of each window and layer: (n_windows, n_layers, dim)."""
    ids = [list(window) for window in windows]
    sizes = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    one_window_per_text = Windows(ids, np.arange(len(ids)), sizes)
    if loaded.folder.tokenization.n_embedded is not None:
        check_tokens(ids, loaded.folder.tokenization.n_embedded, loaded.folder.name)
    return pooled_states(loaded, one_window_per_text, layers=layers, pool=mean_over_tokens)


def _batch_states(
    loaded: LoadedEncoder,
    inputs: dict[str, Tensor],
    layers: Sequence[int],
    pool: TokenPooling,
) -> FloatArray:
    vectors = layer_vectors(loaded.model, inputs, layers=layers, pool=pool)
    if loaded.dense is not None and all(layer in (-1, loaded.folder.n_layers) for layer in layers):
        vectors = loaded.dense(vectors)
    pooled: FloatArray = vectors.cpu().numpy()
    return pooled


@dataclass(frozen=True, eq=False)
class EncodedBatch:
    """Output of an encoder for one batch.

    Attributes
    ----------
    vectors : Tensor of shape (n, n_layers, dim)
        The pooled tokens of each layer.
    states : Tensor of shape (n, tokens, dim) or None
        Hidden states of the last layer, if they are kept.
    mask : Tensor of shape (n, tokens)
        1 for tokens, 0 for padding.
    """

    vectors: Tensor
    states: Tensor | None
    mask: Tensor


def layer_vectors(
    model: PreTrainedModel, inputs: dict[str, Tensor], *, layers: Sequence[int], pool: TokenPooling
) -> Tensor:
    """Run an encoder on one batch and pool the tokens of each layer: (n, n_layers, dim).

    The parameters are those of ``encode_batch``.
    """
    return encode_batch(model, inputs, layers=layers, pool=pool).vectors


def encode_batch(
    model: PreTrainedModel,
    inputs: dict[str, Tensor],
    *,
    layers: Sequence[int],
    pool: TokenPooling,
    keep_states: bool = False,
) -> EncodedBatch:
    """Run an encoder on one batch and pool the tokens of each layer.

    Parameters
    ----------
    model : torch.nn.Module
        The encoder.
    inputs : dict of str to Tensor
        Tensors from ``padded``.
    layers : sequence of int
        Hidden states to use.
    pool : callable
        Takes states (n, tokens, dim) and a mask (n, tokens). Returns (n, dim).
    keep_states : bool
        True keeps the hidden states of the last layer.

    Raises
    ------
    ConfigError
        If a layer has fewer vectors than the texts have tokens.
    """
    import torch

    inputs = _long_enough(inputs, getattr(model.config, "downsampling_rate", 1))
    mask = inputs["attention_mask"]
    deepest = int(model.config.num_hidden_layers)
    only_last = all(layer in (-1, deepest) for layer in layers)
    stock = pool is stock_vector
    outputs = _outputs(model, inputs, states=keep_states if stock else not only_last)
    last = None
    if keep_states:
        last = outputs.hidden_states[-1] if stock else outputs.last_hidden_state
        _check_sizes(model, [last], inputs)
    if stock:
        return EncodedBatch(pool(outputs.logits, mask).unsqueeze(1), last, mask)
    if only_last:
        vectors = pool(outputs.last_hidden_state, mask)
        return EncodedBatch(torch.stack([vectors] * len(layers), dim=1), last, mask)
    states = [outputs.hidden_states[layer] for layer in layers]
    _check_sizes(model, states, inputs)
    return EncodedBatch(torch.stack([pool(layer, mask) for layer in states], dim=1), last, mask)


def _outputs(model: PreTrainedModel, inputs: dict[str, Tensor], *, states: bool) -> Any:
    """Run a model and convert its errors into an error message for users.

    Raises
    ------
    EncoderNotFoundError
        If the model cannot read the tokens.
    """
    import torch

    options: dict[str, object] = {"output_hidden_states": True} if states else {}
    if bool(inputs["attention_mask"].all()):
        options["attention_mask"] = None  # without padding, attention needs no mask and is faster
    try:
        return model(**{**inputs, **options})
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as problem:
        rows, tokens = inputs["input_ids"].shape
        reason = str(problem).strip().split("\n", 1)[0][:200]
        raise EncoderNotFoundError(
            f"{type(model).__name__} of transformers fails on {rows} texts of up to {tokens} "
            f"tokens ({type(problem).__name__}: {reason}). If the texts are too long, choose a "
            "smaller max_length. If its configuration lacks a setting, add it. Otherwise choose "
            "another encoder."
        ) from problem


def _long_enough(inputs: dict[str, Tensor], least: int) -> dict[str, Any]:
    """Pad rows to the minimum length that a model needs, which is 1 for most models."""
    from torch.nn.functional import pad

    missing = least - inputs["input_ids"].shape[1]
    if missing <= 0:
        return inputs
    return {name: pad(part, (0, missing)) for name, part in inputs.items()}


def _check_sizes(
    model: PreTrainedModel, states: Sequence[Tensor], inputs: dict[str, Tensor]
) -> None:
    """Check that every layer has one vector per token.

    Raises
    ------
    ConfigError
        If a layer has fewer vectors, as in model families that shorten texts between layers.
    """
    n_tokens = inputs["input_ids"].shape[1]
    if any(layer.shape[1] != n_tokens for layer in states):
        sizes = [int(layer.shape[1]) for layer in states]
        raise ConfigError(
            f"Each layer must have one vector per token, but {type(model).__name__} has {sizes} "
            f"vectors for {n_tokens} tokens. Use its last layer: "
            "TransformerEncoder(name, pooling=Pooling())."
        )


def padded(windows: Windows, rows: IntArray, *, padding: int) -> dict[str, Tensor]:
    """Pad windows to one length. Return tensors of ids, mask and, for pairs, token types."""
    import torch

    ids = [windows.ids[int(row)] for row in rows]
    longest = max(map(len, ids))
    parts = {"input_ids": _filled(ids, longest, padding)}
    parts["attention_mask"] = _filled([[1] * len(window) for window in ids], longest, 0)
    if windows.kinds is not None:
        kinds = [windows.kinds[int(row)] for row in rows]
        parts["token_type_ids"] = _filled(kinds, longest, 0)
    return {name: torch.from_numpy(part) for name, part in parts.items()}


def _filled(rows: Sequence[Sequence[int]], longest: int, value: int) -> IntArray:
    table = np.full((len(rows), longest), value, dtype=np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
