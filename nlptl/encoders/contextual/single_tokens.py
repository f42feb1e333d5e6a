"""Encode each token of a vocabulary by itself, many of them in one sequence."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, EncoderNotFoundError
from nlptl.encoders.contextual.forward import encode_batch, hidden_means
from nlptl.encoders.contextual.loaded import LoadedEncoder

if TYPE_CHECKING:
    from torch import Tensor

TOKENS_PER_SEQUENCE = 126
_SEQUENCES_AT_ONCE = 8
_MAX_DIFFERENCE = 1e-3
"""Largest difference that a check of a packing allows, relative to the spread of the states."""

_ROUNDING = 1e-5
"""Largest relative difference between states that are computed from the same tokens."""


@dataclass(frozen=True, eq=False)
class TokenPacking:
    """Puts many tokens between the special tokens of one sequence.

    Each token attends to itself and to the special tokens. The special tokens attend to each other
    only. All tokens have the same position. So a token gets the same states whatever is next to it,
    and the special tokens are computed once per sequence instead of once per token.

    Attributes
    ----------
    loaded : LoadedEncoder
    first_position : int
        Position of the first special token.
    """

    loaded: LoadedEncoder
    first_position: int

    @classmethod
    def of(cls, loaded: LoadedEncoder, samples: Sequence[int]) -> TokenPacking | None:
        """Return a packing for an encoder, or None if its family does not allow one.

        Parameters
        ----------
        loaded : LoadedEncoder
        samples : sequence of int
            A few token ids, on which the packing is checked.
        """
        if "position_ids" not in inspect.signature(loaded.model.forward).parameters:
            return None
        config = loaded.model.config
        after_padding = (getattr(config, "pad_token_id", None) or 0) + 1
        last_position = after_padding + len(loaded.framed([0]))
        n_positions = getattr(config, "max_position_embeddings", None) or last_position
        starts = (0, after_padding) if last_position <= n_positions else (0,)
        packings = (cls(loaded, start) for start in starts)
        try:
            if _is_causal(loaded, samples[0]):
                return None
            return next((packing for packing in packings if packing.agrees(samples)), None)
        except (ConfigError, EncoderNotFoundError):
            return None

    def means(self, ids: Sequence[int], layers: Sequence[int]) -> FloatArray:
        """Return the mean of the states of each token and its special tokens.

        Parameters
        ----------
        ids : sequence of int
            n token ids.
        layers : sequence of int
            Hidden states to use. 0 is the embedding layer, -1 the last layer.

        Returns
        -------
        ndarray of shape (n, n_layers, dim), float32
        """
        import torch

        blocks = []
        size = TOKENS_PER_SEQUENCE * _SEQUENCES_AT_ONCE
        for start in range(0, len(ids), size):
            block = list(ids[start : start + size])
            with torch.inference_mode():
                blocks.append(self._block(block, min(TOKENS_PER_SEQUENCE, len(block)), layers))
        return np.concatenate(blocks)

    def _block(self, ids: list[int], width: int, layers: Sequence[int]) -> FloatArray:
        import torch

        n_rows = -(-len(ids) // width)
        filled = [*ids, *ids[:1] * (n_rows * width - len(ids))]
        rows = [filled[i * width : (i + 1) * width] for i in range(n_rows)]
        states, n_before = self._states(rows, layers, separate=True)
        tokens = states[:, :, n_before : n_before + width]
        special = torch.cat([states[:, :, :n_before], states[:, :, n_before + width :]], dim=2)
        means = (special.sum(dim=2, keepdim=True) + tokens) / (special.shape[2] + 1)
        vectors = means.transpose(1, 2).flatten(0, 1)[: len(ids)]
        last = (-1, self.loaded.folder.n_layers)
        if self.loaded.dense is not None and all(layer in last for layer in layers):
            vectors = self.loaded.dense(vectors)
        pooled: FloatArray = vectors.float().cpu().numpy()
        return pooled

    def _states(
        self, rows: list[list[int]], layers: Sequence[int], *, separate: bool
    ) -> tuple[Tensor, int]:
        """Return the states (n_rows, n_layers, tokens, dim), and the number of tokens before.

        If ``separate`` is False, all tokens attend to each other and have consecutive positions.
        """
        import torch

        framed = [self.loaded.framed(row) for row in rows]
        n_special, width = len(framed[0]) - len(rows[0]), len(rows[0])
        n_before = _n_before(self.loaded)
        is_token = torch.zeros(len(framed[0]), dtype=torch.bool)
        is_token[n_before : n_before + width] = True
        positions = torch.arange(len(framed[0]))
        mask = torch.ones(len(framed[0]), len(framed[0]), dtype=torch.bool)
        if separate:
            positions = torch.cat(
                [
                    torch.arange(n_before),
                    torch.full((width,), n_before),
                    torch.arange(n_before + 1, n_special + 1),
                ]
            )
            mask = ~is_token[None, :] | torch.eye(len(is_token), dtype=torch.bool)
        inputs = {
            "input_ids": torch.tensor(framed),
            "position_ids": (positions + self.first_position).expand(len(rows), -1),
            "attention_mask": mask.expand(len(rows), 1, -1, -1),
        }
        inputs = {name: part.to(self.loaded.device) for name, part in inputs.items()}
        with torch.inference_mode():
            batch = encode_batch(self.loaded.model, inputs, layers=layers, pool=_all_tokens)
        return batch.vectors.float(), n_before

    def agrees(self, samples: Sequence[int]) -> bool:
        """Return True if positions and mask act on the encoder as the packing needs."""
        layers = (0, -1)
        single, _ = self._states([[samples[0]]], layers, separate=False)
        exact = hidden_means(self.loaded, [self.loaded.framed([samples[0]])], layers)
        if not _close(single.mean(dim=2).cpu().numpy(), exact):
            return False
        # A token must get the same vector alone and at any place of a whole sequence.
        alone = np.concatenate([self.means([token], layers) for token in samples])
        repeats = TOKENS_PER_SEQUENCE // len(samples)
        together = self.means([*samples] * repeats, layers)
        return _close(together, np.tile(alone, (repeats, 1, 1)))


def _is_causal(loaded: LoadedEncoder, token: int) -> bool:
    """Return True if a token does not see the special tokens after it, as in a decoder.

    The mask of a packing would show them to the token.
    """
    import torch

    framed, place = loaded.framed([token]), _n_before(loaded)
    if len(framed) == place + 1:
        return False
    states = []
    for ids in (framed, framed[: place + 1]):
        inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids))}
        inputs = {name: part.to(loaded.device) for name, part in inputs.items()}
        with torch.inference_mode():
            batch = encode_batch(loaded.model, inputs, layers=(-1,), pool=_all_tokens)
        states.append(batch.vectors[0, 0, place].float().cpu().numpy())
    return _close(states[0], states[1], _ROUNDING)


def _n_before(loaded: LoadedEncoder) -> int:
    """Return the number of special tokens before the tokens of a text."""
    return loaded.framed([-1]).index(-1)


def _all_tokens(states: Tensor, _mask: Tensor) -> Tensor:
    """Keep every token, in the place of a pooling."""
    return states


def _close(computed: FloatArray, expected: FloatArray, share: float = _MAX_DIFFERENCE) -> bool:
    allowed = share * max(float(expected.std()), 1e-6)
    return bool(np.abs(computed - expected).max() <= allowed)
