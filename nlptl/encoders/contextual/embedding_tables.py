"""The sizes of the tables of an encoder: how many positions and how many tokens have a vector."""

from __future__ import annotations

import re
from typing import Any

_POSITIONS = re.compile(r"(^|\.)(embed_positions|(char_)?positions?_embed(ding)?s?|wpe)$")
"""Names that transformers gives the table of absolute positions in an encoder of text."""


_BLOCKS = {"_pad_to_block_size": "block_size", "_pad_to_window_size": "attention_window"}
"""Methods that fill texts up to whole blocks, and the settings with the size of a block."""


def readable_positions(config: Any, stated: int | None) -> int | None:
    """Return the most tokens that an encoder has positions for; None without such a limit.

    Parameters
    ----------
    config : PreTrainedConfig
        The transformers configuration of the encoder.
    stated : int or None
        The length that the folder states elsewhere. Where the positions suffice for it in any
        family, the network is not built.

    Notes
    -----
    Some families number positions from the padding token on, so that a part of their table is
    never used. The configuration does not state this. The layer of positions does, so the network
    is built without memory for its weights.
    """
    places = getattr(config, "max_position_embeddings", None)
    places = places if isinstance(places, int) and places > 0 else None
    unused = (getattr(config, "pad_token_id", None) or 0) + 1
    if places is not None and stated is not None and stated <= places - unused:
        return places
    network = _network(config)
    parts = [] if network is None else network.named_modules()
    tables = [part for name, part in parts if _POSITIONS.search(name) and hasattr(part, "weight")]
    rows = [usable_rows(table) for table in tables] + ([] if places is None else [places])
    block = next((_block(config, name) for name in _BLOCKS if hasattr(network, name)), 1)
    return min((n // block * block or n for n in rows), default=None)


def usable_rows(table: Any) -> int:
    """Return the number of positions in a table, without those that no token of a text gets."""
    first = getattr(table, "padding_idx", None)
    unused = int(getattr(table, "offset", 0)) if first is None else int(first) + 1
    return int(table.weight.shape[0]) - unused


def _block(config: Any, method: str) -> int:
    sizes = getattr(config, _BLOCKS[method])
    return int(max(sizes)) if isinstance(sizes, list | tuple) else int(sizes)


def embedded_tokens(config: Any) -> int | None:
    """Return the number of tokens that an encoder has vectors for; None without a table."""
    try:
        return int(_network(config).get_input_embeddings().num_embeddings)
    except (AttributeError, NotImplementedError):
        return None


def _network(config: Any) -> Any:
    """Build the encoder of a configuration without memory for its weights; None if it fails."""
    import torch
    from transformers import AutoModel

    try:
        with torch.device("meta"):
            model = AutoModel.from_config(config)
            return model.get_encoder() if config.is_encoder_decoder else model
    except Exception:  # families raise errors of many kinds; loading the weights reports them
        return None
