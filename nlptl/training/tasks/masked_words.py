"""Masked language modelling as a task. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from nlptl.training.networks.text_network import ROW_ENTRIES, Batch, Outputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_HIDDEN_SHARE, _MASKED_SHARE, _RANDOM_SHARE = 0.15, 0.8, 0.1


class MaskedWords(nn.Module):
    """Head that predicts hidden tokens with the word embeddings of the encoder [1]_.

    It predicts 15 % of the tokens. Of these, 80 % are replaced by the mask token, 10 % by a
    random token of the batch, and 10 % stay unchanged. If the encoder has ``OccurringRows``,
    predictions are limited to tokens that occur in the training texts.

    Parameters
    ----------
    width : int
        Size of a token's hidden state.
    mask : int
        Id of the mask token.
    special : sequence of int
        Ids of tokens that are never hidden.

    References
    ----------
    .. [1] Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
       Understanding", NAACL 2019, arXiv:1810.04805.
    """

    special: torch.Tensor

    def __init__(self, width: int, mask: int, special: list[int]) -> None:
        super().__init__()
        self.mask = mask
        self.register_buffer("special", torch.tensor(sorted(special)), persistent=False)
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))

    def outputs(self, encoder: PreTrainedModel, batch: Batch) -> Outputs:
        """Return the loss of each row in place of features and logits, of shape (n, 1)."""
        losses = [self._of_part(encoder, part) for part in batch.inputs]
        rows = torch.cat(losses)[:, None]
        return Outputs(rows, rows, batch)

    def _of_part(self, encoder: PreTrainedModel, part: dict[str, torch.Tensor]) -> torch.Tensor:
        inputs = {name: value for name, value in part.items() if name not in ROW_ENTRIES}
        ids = inputs["input_ids"]
        hidden = torch.rand(ids.shape, device=ids.device) < _HIDDEN_SHARE
        hidden &= ~torch.isin(ids, self.special.to(ids.device)) & inputs["attention_mask"].bool()
        masked = self._masked(ids, hidden)
        states = encoder(**{**inputs, "input_ids": masked}).last_hidden_state
        table = encoder.get_input_embeddings()
        truth = ids[hidden]
        places = getattr(table, "places", None)  # rows of the tokens in ``OccurringRows``
        target_rows = truth if places is None else places[truth]
        vectors = self.transform(states[hidden].float())
        scores = functional.linear(vectors, table.weight.float())
        losses = functional.cross_entropy(scores, target_rows, reduction="none")
        rows = torch.arange(len(ids), device=ids.device)
        rows = part.get("owners", rows)[:, None].expand_as(ids)[hidden]
        n_rows = int(part["owners"].max()) + 1 if "owners" in part else len(ids)
        summed = losses.new_zeros(n_rows).index_add(0, rows, losses)
        counts = losses.new_zeros(n_rows).index_add(0, rows, torch.ones_like(losses))
        return summed / counts.clamp(min=1.0)

    def _masked(self, ids: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        draws = torch.rand(ids.shape, device=ids.device)
        others = ids.flatten()[torch.randint(ids.numel(), ids.shape, device=ids.device)]
        covered = hidden & (draws < _MASKED_SHARE)
        masked = torch.where(covered, torch.full_like(ids, self.mask), ids)
        swapped = hidden & (draws >= _MASKED_SHARE) & (draws < _MASKED_SHARE + _RANDOM_SHARE)
        return torch.where(swapped, others, masked)


def as_given(losses: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Return the losses that ``MaskedWords`` has already computed for the rows, shape (n,)."""
    return losses[:, 0]
