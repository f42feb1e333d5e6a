"""Word embeddings that train only the rows of tokens in the training texts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nlptl.base.arrays import IntArray

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class OccurringRows(nn.Module):
    """Embedding layer whose trained table contains only the tokens of the training texts.

    Rows of tokens that never occur have no gradient. Without them, only their weight decay
    changes: they no longer decay, which is better. This saves a gradient and an optimiser step
    over the whole vocabulary.

    Parameters
    ----------
    whole : torch.nn.Embedding
        The embedding layer to replace.
    tokens : ndarray of shape (n,)
        Ids of the tokens that occur, in ascending order.

    Attributes
    ----------
    places : Tensor of shape (n_vocabulary,)
        Row of each token in the trained table; -1 if the token does not occur.
    """

    places: torch.Tensor
    tokens: torch.Tensor

    def __init__(self, whole: nn.Embedding, tokens: IntArray) -> None:
        super().__init__()
        places = np.full(whole.num_embeddings, -1)
        places[tokens] = np.arange(len(tokens))
        device = whole.weight.device
        occurring = torch.from_numpy(tokens).to(device)
        self.register_buffer("places", torch.from_numpy(places).to(device), persistent=False)
        self.register_buffer("tokens", occurring, persistent=False)
        self.whole = [whole]  # in a list, so that torch does not register it as a submodule
        self.weight = nn.Parameter(whole.weight.detach()[occurring].clone())
        padding = whole.padding_idx
        padding_row = -1 if padding is None else int(places[padding])
        self.padding = padding_row if padding_row >= 0 else None

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors of tokens; tokens outside the training texts keep their original."""
        rows = self.places[ids]
        occurs = rows >= 0
        if bool(occurs.all()):
            return functional.embedding(rows, self.weight, padding_idx=self.padding)
        trained = functional.embedding(rows.clamp(min=0), self.weight)
        table = self.whole[0].weight.detach()
        original = functional.embedding(ids.to(table.device), table).to(trained)
        return torch.where(occurs.unsqueeze(-1), trained, original)

    def put_back(self) -> nn.Embedding:
        """Return the original embedding layer, updated with the trained rows."""
        whole = self.whole[0]
        with torch.no_grad():
            whole.weight.data = whole.weight.data.to(self.weight.device)
            whole.weight[self.tokens] = self.weight.detach()
        return whole


def keep_occurring(model: PreTrainedModel, ids: Iterable[list[int]]) -> None:
    """Limit the training of a model's word embeddings to the tokens of tokenized texts.

    Nothing changes if the embeddings are of an unusual type, or if at least half of the tokens
    of the vocabulary occur.
    """
    whole = _embeddings(model)
    if type(whole) is not nn.Embedding or whole.sparse or whole.max_norm is not None:
        return
    tokens = np.unique(np.fromiter(chain.from_iterable(ids), dtype=np.int64))
    if len(tokens) * 2 < whole.num_embeddings:
        model.set_input_embeddings(OccurringRows(whole, tokens))


def put_back(model: PreTrainedModel) -> None:
    """Restore the original word embeddings of a model, updated with the trained rows."""
    rows = _embeddings(model)
    if isinstance(rows, OccurringRows):
        model.set_input_embeddings(rows.put_back())


def _embeddings(model: PreTrainedModel) -> Any:
    """Return the word embeddings of a model; None for families without such a table."""
    try:
        return model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
