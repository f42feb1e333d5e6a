"""From hidden states to one vector a text: the choice, and pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest

if TYPE_CHECKING:
    from torch import Tensor

_JOINS = ("concat", "mean")


@dataclass(frozen=True)
class Pooling(Spec):
    """How the vectors of tokens and layers become one vector a text.

    Parameters
    ----------
    tokens : {"mean", "cls", "max", "stock"}
        Over the tokens of a layer: their mean, the first token, or the largest value of each
        dimension. ``"stock"`` is what transformers' own classifier of this architecture would
        see; a model tuned with it can be exported for ``pipeline("text-classification")``.
    layers : tuple of int
        Which hidden states: 0 is the embedding layer, -1 the last one.
    join : {"concat", "mean"}
        Several layers side by side, or averaged.
    dimension : int or None
        Reduce the result to so many numbers by a singular value decomposition learnt in ``fit``.
    normalize : bool
        Give each layer's vector the length 1.
    """

    tokens: str = "mean"
    layers: tuple[int, ...] = (-1,)
    join: str = "concat"
    dimension: int | None = None
    normalize: bool = True

    def __post_init__(self) -> None:
        if self.tokens not in TOKEN_POOLINGS:
            raise ConfigError(
                f"No token pooling is called {self.tokens!r}. "
                f"{suggest(self.tokens, TOKEN_POOLINGS)}"
            )
        if self.join not in _JOINS:
            raise ConfigError(f"join={self.join!r} is not known. {suggest(self.join, _JOINS)}")
        if self.tokens == "stock" and (self.layers != (-1,) or self.normalize):
            raise ConfigError(
                "Pooling(tokens='stock') is the last layer's own: leave layers at (-1,) and set "
                f"normalize=False, got layers={self.layers}, normalize={self.normalize}."
            )
        if not self.layers or (self.dimension is not None and self.dimension < 1):
            raise ConfigError(
                f"Pooling needs at least one layer and a dimension of at least 1, got "
                f"layers={self.layers}, dimension={self.dimension}."
            )


def mean_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Average the vectors of the real tokens [1]_: (n, tokens, dim) and (n, tokens) to (n, dim).

    References
    ----------
    .. [1] Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, arXiv:1908.10084.
    """
    import torch

    weights = mask.float()
    summed = torch.bmm(weights.unsqueeze(1), states.float()).squeeze(1)
    return summed / weights.sum(dim=1, keepdim=True).clamp(min=1)


def first_token(states: Tensor, _mask: Tensor) -> Tensor:
    """Take the vector of the first token: (n, tokens, dim) to (n, dim)."""
    return states[:, 0].float()


def max_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Take the largest value of each dimension over the real tokens: to (n, dim)."""
    hidden = states.masked_fill(~mask.bool().unsqueeze(-1), float("-inf"))
    return hidden.max(dim=1).values.float()


def stock_vector(given: Tensor, _mask: Tensor) -> Tensor:
    """Take what the model pooled by itself, as it is: (n, dim)."""
    return given.float()


TOKEN_POOLINGS: MappingProxyType[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "mean": mean_over_tokens,
        "cls": first_token,
        "max": max_over_tokens,
        "stock": stock_vector,
    }
)


def join_windows(
    vectors: FloatArray, text_of_window: IntArray, sizes: IntArray, *, largest: bool
) -> FloatArray:
    """Make one vector a text from the vectors of its windows.

    Parameters
    ----------
    vectors : ndarray of shape (n_windows, n_layers, dim)
        Windows in the order of their texts.
    text_of_window : ndarray of shape (n_windows,)
        The text of each window, ascending from 0 without gaps.
    sizes : ndarray of shape (n_windows,)
        Tokens of each window: its weight in the mean.
    largest : bool
        Take the largest value of each dimension instead of the weighted mean.

    Returns
    -------
    ndarray of shape (n_texts, n_layers, dim)
    """
    starts = np.flatnonzero(np.diff(text_of_window, prepend=-1))
    if len(starts) == len(vectors):
        return vectors
    if largest:
        return np.maximum.reduceat(vectors, starts, axis=0)
    weights = sizes[:, None, None].astype(np.float32)
    summed = np.add.reduceat(vectors * weights, starts, axis=0)
    averaged: FloatArray = summed / np.add.reduceat(weights, starts)
    return averaged


def join_layers(vectors: FloatArray, pooling: Pooling) -> FloatArray:
    """Make one row a text from the vectors of its layers: (n, n_layers, dim) to (n, width)."""
    if pooling.join == "mean":
        vectors = vectors.mean(axis=1, keepdims=True)
    if pooling.normalize:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-12)
    return vectors.reshape(len(vectors), vectors.shape[1] * vectors.shape[2])


def strongest_directions(vectors: FloatArray, dimension: int) -> FloatArray:
    """Give the strongest right singular vectors of (n, width) as (width, dimension)."""
    strength, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    chosen: FloatArray = axes[:, np.argsort(-strength, kind="stable")[:dimension]]
    return with_fixed_signs(chosen).astype(np.float32)


def with_fixed_signs(axes: FloatArray) -> FloatArray:
    """Turn each column so that its largest number is positive, on every machine alike."""
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    turned: FloatArray = axes * np.sign(largest)
    return turned
