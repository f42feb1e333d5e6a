"""Sizes of the embedding tables of an encoder: number of positions and number of tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

_POSITIONS = re.compile(r"(^|\.)(embed_positions|(char_)?positions?_embed(ding)?s?|wpe)$")
"""Names of the table of absolute positions in the text encoders of transformers."""


_BLOCKS = {"_pad_to_block_size": "block_size", "_pad_to_window_size": "attention_window"}
"""Methods that pad texts to whole blocks, and the settings with the block size."""


def readable_positions(config: PretrainedConfig, stated: int | None) -> int | None:
    """Return the maximum number of tokens that an encoder has positions for, or None if unlimited.

    Parameters
    ----------
    config : PreTrainedConfig
        The transformers configuration of the encoder.
    stated : int or None
        Maximum length from other settings of the folder. If the positions are enough for it in any
        model family, the network is not built.

    Notes
    -----
    Some model families number positions from the padding token on. They never use a part of their
    table. The configuration does not state this, but the position layer does. The network is
    therefore built without memory for its weights.
    """
    n_positions = getattr(config, "max_position_embeddings", None)
    n_positions = n_positions if isinstance(n_positions, int) and n_positions > 0 else None
    unused = (getattr(config, "pad_token_id", None) or 0) + 1
    if n_positions is not None and stated is not None and stated <= n_positions - unused:
        return n_positions
    network = _network(config)
    parts = [] if network is None else network.named_modules()
    tables = [part for name, part in parts if _POSITIONS.search(name) and hasattr(part, "weight")]
    rows = [usable_rows(table) for table in tables]
    rows += [] if n_positions is None else [n_positions]
    block = next((_block(config, name) for name in _BLOCKS if hasattr(network, name)), 1)
    return min((n // block * block or n for n in rows), default=None)


def usable_rows(table: nn.Embedding) -> int:
    """Return the number of positions in a table that tokens of a text can use."""
    first = getattr(table, "padding_idx", None)
    unused = int(getattr(table, "offset", 0)) if first is None else int(first) + 1
    return int(table.weight.shape[0]) - unused


def _block(config: PretrainedConfig, method: str) -> int:
    sizes = getattr(config, _BLOCKS[method])
    return int(max(sizes)) if isinstance(sizes, list | tuple) else int(sizes)


def embedded_tokens(config: PretrainedConfig) -> int | None:
    """Return the number of tokens that an encoder has vectors for, or None without a table."""
    try:
        return int(_network(config).get_input_embeddings().num_embeddings)
    except (AttributeError, NotImplementedError):
        return None


def _network(config: PretrainedConfig) -> Any:
    """Build the encoder without memory for its weights. Return None if it fails."""
    import torch
    from transformers import AutoModel

    try:
        with torch.device("meta"):
            model = AutoModel.from_config(config)
            return model.get_encoder() if config.is_encoder_decoder else model
    except Exception:  # model families raise many error types; loading the weights reports them
        return None
