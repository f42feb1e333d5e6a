"""A language model as a task: hidden words are guessed from the others. Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nlptl.training.networks.text_network import ROW_ENTRIES, Batch, Outputs

_HIDDEN_SHARE, _MASKED_SHARE, _RANDOM_SHARE = 0.15, 0.8, 0.1


class MaskedWords(nn.Module):
    """Guesses tokens that were hidden, with the word embeddings of the encoder [1]_.

    Of 15 % of the tokens, eight in ten are replaced by the mask, one by any other token, and one
    stays. Only tokens that occur in the training texts are told apart.

    Parameters
    ----------
    width : int
        Numbers a token.
    mask : int
        The token that hides others.
    special : sequence of int
        Tokens that are never hidden.

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

    def outputs(self, encoder: Any, batch: Batch) -> Outputs:
        """Give the loss of each row in place of logits: (n, 1)."""
        losses = [self._of_part(encoder, part) for part in batch.inputs]
        rows = torch.cat(losses)[:, None]
        return Outputs(rows, rows, batch)

    def _of_part(self, encoder: Any, part: dict[str, Any]) -> torch.Tensor:
        given = {name: value for name, value in part.items() if name not in ROW_ENTRIES}
        ids = given["input_ids"]
        hidden = torch.rand(ids.shape, device=ids.device) < _HIDDEN_SHARE
        hidden &= ~torch.isin(ids, self.special.to(ids.device)) & given["attention_mask"].bool()
        shown = self._covered(ids, hidden)
        states = encoder(**{**given, "input_ids": shown}).last_hidden_state
        table = encoder.get_input_embeddings()
        truth = ids[hidden]
        places = getattr(table, "places", None)
        known = truth if places is None else places[truth]
        told = self.transform(states[hidden].float())
        scores = functional.linear(told, table.weight.float())
        losses = functional.cross_entropy(scores, known, reduction="none")
        rows = torch.arange(len(ids), device=ids.device)
        rows = part.get("owners", rows)[:, None].expand_as(ids)[hidden]
        n_rows = int(part["owners"].max()) + 1 if "owners" in part else len(ids)
        summed = losses.new_zeros(n_rows).index_add(0, rows, losses)
        counts = losses.new_zeros(n_rows).index_add(0, rows, torch.ones_like(losses))
        return summed / counts.clamp(min=1.0)

    def _covered(self, ids: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        lot = torch.rand(ids.shape, device=ids.device)
        others = ids.flatten()[torch.randint(ids.numel(), ids.shape, device=ids.device)]
        covered = torch.where(hidden & (lot < _MASKED_SHARE), torch.full_like(ids, self.mask), ids)
        swapped = hidden & (lot >= _MASKED_SHARE) & (lot < _MASKED_SHARE + _RANDOM_SHARE)
        return torch.where(swapped, others, covered)


def as_given(losses: Any, _: Any) -> Any:
    """Give the losses of rows that ``MaskedWords`` found already: (n,)."""
    return losses[:, 0]
