"""Masked language modelling as a task. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from nlptl.encoders.contextual.tied_words import TiedWords
from nlptl.encoders.contextual.word_masking import WordMasking
from nlptl.training.networks.text_network import ROW_ENTRIES, Batch, Outputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class MaskedWords(nn.Module):
    """Head of a task that predicts hidden words with the word embeddings of the encoder.

    Its rows come from a ``Stream`` with ``WordMasking``.

    Parameters
    ----------
    words : TiedWords
    """

    def __init__(self, words: TiedWords) -> None:
        super().__init__()
        self.words = words

    @classmethod
    def of(cls, width: int, encoder: PreTrainedModel) -> MaskedWords:
        """Return a new head for the hidden states of an encoder, which have ``width`` numbers."""
        return cls(TiedWords(width, encoder))

    def outputs(self, encoder: PreTrainedModel, batch: Batch) -> Outputs:
        """Return the loss of each row in place of features and logits, of shape (n, 1)."""
        hidden = batch.hidden
        if hidden is None:
            raise ValueError("rows without hidden words")
        states, rows, n_rows, n_windows = [], [], 0, 0
        for part in batch.inputs:
            inputs = {name: value for name, value in part.items() if name not in ROW_ENTRIES}
            size = len(inputs["input_ids"])
            here = (hidden.windows >= n_windows) & (hidden.windows < n_windows + size)
            windows = hidden.windows[here] - n_windows
            states.append(encoder(**inputs).last_hidden_state[windows, hidden.positions[here]])
            owners = part.get("owners", torch.arange(size, device=windows.device))
            rows.append(owners[windows] + n_rows)
            n_rows, n_windows = n_rows + int(owners.max()) + 1, n_windows + size
        losses = self.words.losses(torch.cat(states), hidden.tokens, encoder)
        return _mean_per_row(losses, torch.cat(rows), n_rows, batch)


def _mean_per_row(losses: torch.Tensor, rows: torch.Tensor, n_rows: int, batch: Batch) -> Outputs:
    """Return the mean loss of the tokens of each row as outputs of the network."""
    summed = losses.new_zeros(n_rows).index_add(0, rows, losses)
    counts = losses.new_zeros(n_rows).index_add(0, rows, torch.ones_like(losses))
    means = (summed / counts.clamp(min=1.0))[:, None]
    return Outputs(means, means, batch)


def masking_of(tokenizer: PreTrainedTokenizerBase) -> WordMasking:
    """Return how the words of a task are hidden."""
    return WordMasking.of(tokenizer)


def as_given(losses: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Return the losses that ``MaskedWords`` has already computed for the rows, shape (n,)."""
    return losses[:, 0]
