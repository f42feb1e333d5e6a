"""Head that predicts tokens with the word embeddings of the encoder. Imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nlptl.base.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TiedWords(nn.Module):
    """Head that predicts tokens from hidden states, with the word embeddings as its last layer.

    If the encoder has ``OccurringRows``, predictions are limited to the tokens that they contain.

    Parameters
    ----------
    width : int
        Size of a hidden state.
    encoder : torch.nn.Module
        Model with word embeddings. The head does not keep it.

    Raises
    ------
    ConfigError
        If the encoder has no table of word embeddings.
    """

    def __init__(self, width: int, encoder: PreTrainedModel) -> None:
        super().__init__()
        n_tokens, size = _shape(encoder)
        self.transform = nn.Sequential(nn.Linear(width, size), nn.GELU(), nn.LayerNorm(size))
        self.bias = nn.Parameter(torch.zeros(n_tokens))

    def start_from(self, windows: Iterable[Sequence[int]]) -> None:
        """Set the bias to the logarithms of the shares of the tokens in texts.

        The head then needs no training to learn which words are common.
        """
        tokens = np.fromiter(chain.from_iterable(windows), dtype=np.int64)
        counts = np.bincount(tokens, minlength=len(self.bias)) + 1.0
        shares = torch.from_numpy(np.log(counts / counts.sum()))
        with torch.no_grad():
            self.bias.copy_(shares)

    def losses(
        self, states: torch.Tensor, tokens: torch.Tensor, encoder: PreTrainedModel
    ) -> torch.Tensor:
        """Return the cross-entropy of each token, shape (n,), in float32.

        Parameters
        ----------
        states : Tensor of shape (n, width)
            Hidden states at the positions of the tokens.
        tokens : Tensor of shape (n,)
            Ids of the true tokens.
        encoder : torch.nn.Module
            The model whose word embeddings are used.
        """
        table: Any = encoder.get_input_embeddings()
        places = getattr(table, "places", None)  # rows of the tokens in ``OccurringRows``
        bias = self.bias if places is None else self.bias[table.tokens]
        truth = tokens if places is None else places[tokens]
        scores = functional.linear(self.transform(states.float()), table.weight.float(), bias)
        return functional.cross_entropy(scores, truth, reduction="none")


def _shape(encoder: PreTrainedModel) -> tuple[int, int]:
    """Return the number of tokens and the size of the vectors of the word embeddings."""
    try:
        table: Any = encoder.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        table = None
    whole = table.whole[0] if hasattr(table, "whole") else table
    weight = getattr(whole, "weight", None)
    if weight is None or weight.ndim != 2:
        raise ConfigError(
            f"Hidden words are predicted with the word embeddings, but {type(encoder).__name__} "
            "has no table of them. Use an encoder with word embeddings, such as BERT or MiniLM."
        )
    return int(weight.shape[0]), int(weight.shape[1])
