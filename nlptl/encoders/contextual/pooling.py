"""Pool hidden states into one vector per text: settings, and pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

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
    """Settings for pooling the vectors of tokens and layers into one vector per text.

    Parameters
    ----------
    tokens : {"mean", "cls", "max", "stock"}
        Pooling over the tokens of a layer: their mean, the first token, or the maximum of each
        dimension. ``"stock"`` is the input of the classifier that transformers has for this
        architecture. A model tuned with it can be exported for
        ``pipeline("text-classification")``.
    layers : tuple of int
        Hidden states to use. 0 is the embedding layer, -1 the last layer.
    join : {"concat", "mean"}
        Concatenate or average several layers.
    dimension : int or None
        Reduce the result to this number of columns by a singular value decomposition, which is
        fitted in ``fit``. None keeps all columns.
    normalize : bool
        Scale the vector of each layer to length 1.
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
                "Pooling(tokens='stock') needs layers=(-1,) and normalize=False, got "
                f"layers={self.layers}, normalize={self.normalize}. Set them to these values."
            )
        if not self.layers or (self.dimension is not None and self.dimension < 1):
            raise ConfigError(
                f"Pooling needs at least one layer and a dimension of at least 1, got "
                f"layers={self.layers}, dimension={self.dimension}. Correct these settings."
            )


def mean_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Average the token vectors without padding [1]_: (n, tokens, dim), (n, tokens) to (n, dim).

    References
    ----------
    .. [1] Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, arXiv:1908.10084.
    """
    import torch

    weights = mask.float()
    summed = torch.bmm(weights.unsqueeze(1), states.float()).squeeze(1)
    return summed / weights.sum(dim=1, keepdim=True).clamp(min=1)


def first_token(states: Tensor, _mask: Tensor) -> Tensor:
    """Return the vector of the first token: (n, tokens, dim) to (n, dim)."""
    return states[:, 0].float()


def max_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Return the maximum of each dimension over the tokens without padding: to (n, dim)."""
    hidden = states.masked_fill(~mask.bool().unsqueeze(-1), float("-inf"))
    return hidden.max(dim=1).values.float()


def stock_vector(pooled: Tensor, _mask: Tensor) -> Tensor:
    """Return the vectors that the model has already pooled, unchanged: (n, dim)."""
    return pooled.float()


TokenPooling: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""Takes states (n, tokens, dim) and a mask (n, tokens). Returns (n, dim)."""

TOKEN_POOLINGS: MappingProxyType[str, TokenPooling] = MappingProxyType(
    {
        "mean": mean_over_tokens,
        "cls": first_token,
        "max": max_over_tokens,
        "stock": stock_vector,
    }
)


def text_vectors(
    states: FloatArray, text_of_window: IntArray, sizes: IntArray, pooling: Pooling
) -> FloatArray:
    """Combine the pooled states of all windows and layers into one row per text.

    Parameters
    ----------
    states : ndarray of shape (n_windows, n_layers, dim)
    text_of_window, sizes : ndarray of shape (n_windows,)
        As for ``join_windows``.
    pooling : Pooling

    Returns
    -------
    ndarray of shape (n_texts, width)
    """
    joined = join_windows(states, text_of_window, sizes, largest=pooling.tokens == "max")
    return join_layers(joined, pooling)


def join_windows(
    vectors: FloatArray, text_of_window: IntArray, sizes: IntArray, *, largest: bool
) -> FloatArray:
    """Combine the vectors of the windows of each text into one vector per text.

    Parameters
    ----------
    vectors : ndarray of shape (n_windows, n_layers, dim)
        Windows in the order of their texts.
    text_of_window : ndarray of shape (n_windows,)
        The text of each window, ascending from 0 without gaps.
    sizes : ndarray of shape (n_windows,)
        Number of tokens of each window, which is its weight in the mean.
    largest : bool
        True takes the maximum of each dimension instead of the weighted mean.

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
    """Combine the layer vectors into one row per text: (n, n_layers, dim) to (n, width)."""
    if pooling.join == "mean":
        vectors = vectors.mean(axis=1, keepdims=True)
    if pooling.normalize:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-12)
    return vectors.reshape(len(vectors), vectors.shape[1] * vectors.shape[2])


def strongest_directions(vectors: FloatArray, dimension: int) -> FloatArray:
    """Return the strongest right singular vectors of (n, width) as (width, dimension)."""
    eigenvalues, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    chosen: FloatArray = axes[:, np.argsort(-eigenvalues, kind="stable")[:dimension]]
    return with_fixed_signs(chosen).astype(np.float32)


def with_fixed_signs(axes: FloatArray) -> FloatArray:
    """Fix the sign of each column: its largest number is positive, the same on every machine."""
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    signed: FloatArray = axes * np.sign(largest)
    return signed
