"""Word embeddings of which only the rows that occur are trained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nlptl.base.arrays import IntArray


class OccurringRows(nn.Module):
    """An embedding layer whose trained table holds the tokens of the training texts only.

    Rows of tokens that never occur have no gradient, so leaving them out changes nothing but
    their weight decay, which they are better without. What is saved is a gradient and an
    optimiser step over the whole vocabulary.

    Parameters
    ----------
    whole : torch.nn.Embedding
        What it stands in for.
    tokens : ndarray of shape (n,)
        The tokens that occur, ascending.
    """

    places: torch.Tensor
    tokens: torch.Tensor

    def __init__(self, whole: nn.Embedding, tokens: IntArray) -> None:
        super().__init__()
        places = np.full(whole.num_embeddings, -1)
        places[tokens] = np.arange(len(tokens))
        device = whole.weight.device
        kept = torch.from_numpy(tokens).to(device)
        self.register_buffer("places", torch.from_numpy(places).to(device), persistent=False)
        self.register_buffer("tokens", kept, persistent=False)
        self.whole = [whole]  # in a list: it is no part of what learns
        self.weight = nn.Parameter(whole.weight.detach()[kept].clone())
        padding = whole.padding_idx
        place = -1 if padding is None else int(places[padding])
        self.padding = place if place >= 0 else None

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look tokens up; those that do not occur in training texts have their first vectors."""
        places = self.places[ids]
        known = places >= 0
        if bool(known.all()):
            return functional.embedding(places, self.weight, padding_idx=self.padding)
        found = functional.embedding(places.clamp(min=0), self.weight)
        table = self.whole[0].weight.detach()
        first = functional.embedding(ids.to(table.device), table).to(found)
        return torch.where(known.unsqueeze(-1), found, first)

    def put_back(self) -> nn.Embedding:
        """Give the embedding layer with what was learnt."""
        whole = self.whole[0]
        with torch.no_grad():
            whole.weight.data = whole.weight.data.to(self.weight.device)
            whole.weight[self.tokens] = self.weight.detach()
        return whole


def keep_occurring(model: Any, ids: Iterable[list[int]]) -> None:
    """Train only those rows of a model's word embeddings that some tokenized texts use.

    Nothing is done where the embeddings are of an unusual kind, or most rows occur.
    """
    whole = _embeddings(model)
    if type(whole) is not nn.Embedding or whole.sparse or whole.max_norm is not None:
        return
    tokens = np.unique(np.fromiter(chain.from_iterable(ids), dtype=np.int64))
    if len(tokens) * 2 < whole.num_embeddings:
        model.set_input_embeddings(OccurringRows(whole, tokens))


def put_back(model: Any) -> None:
    """Give a model its own word embeddings back, with what was learnt."""
    rows = _embeddings(model)
    if isinstance(rows, OccurringRows):
        model.set_input_embeddings(rows.put_back())


def _embeddings(model: Any) -> Any:
    """Return the word embeddings of a model; None for families without such a table."""
    try:
        return model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
