"""Attention as two matrix products and a softmax: the fastest way to train short texts on a CPU.

torch's fused kernel saves memory, but short texts need little. Its backward pass in bfloat16 is
slow on a CPU. ``recipes/benchmarks/tuning/finetune_speed.py`` measures the time of whole steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ATTENTION_NAME = "nlptl_products"
_MAX_SCORES_AT_ONCE = 2_500_000
"""Maximum number of attention weights computed at once, so that they fit into the CPU cache."""


def products(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention with the interface of an attention function of transformers.

    Parameters
    ----------
    module : torch.nn.Module
        The attention layer. Dropout is applied only in its training mode.
    query : Tensor of shape (n, heads, tokens, dim)
    key, value : Tensor of shape (n, heads or a divisor of it, tokens, dim)
    attention_mask : Tensor or None
        Added to the scores; its shape is (n or 1, heads or 1, tokens, tokens).
    **options
        ``scaling`` is the factor on the scores; the default is ``dim ** -0.5``. ``dropout`` is
        the share of the attention weights that is dropped. Other options have no effect.

    Returns
    -------
    Tensor of shape (n, tokens, heads, dim), and None
    """
    factor, dropout = options.get("scaling"), options.get("dropout", 0.0)
    factor = query.shape[-1] ** -0.5 if factor is None else factor
    heads, tokens = query.shape[1:3]
    if heads != key.shape[1]:  # grouped-query attention: several heads share keys and values
        shared = heads // key.shape[1]
        key, value = (part.repeat_interleave(shared, dim=1) for part in (key, value))
    several = max(_MAX_SCORES_AT_ONCE // (heads * tokens * key.shape[2]), 1)
    parts = []
    with torch.autocast(query.device.type, enabled=False):
        for start in range(0, len(query), several):
            rows = slice(start, start + several)
            scores = torch.matmul(query[rows] * factor, key[rows].transpose(-1, -2))
            if attention_mask is not None:
                shared_mask = len(attention_mask) == 1
                scores = scores + attention_mask[slice(None) if shared_mask else rows].to(
                    scores.dtype
                )
            weights = scores.softmax(dim=-1)
            if dropout:
                weights = torch.nn.functional.dropout(weights, dropout, module.training)
            parts.append(torch.matmul(weights, value[rows]))
    attended = parts[0] if len(parts) == 1 else torch.cat(parts)
    return attended.transpose(1, 2).contiguous(), None


@contextmanager
def attending_by_products(model: PreTrainedModel, device: str) -> Iterator[None]:
    """Use ``products`` as the attention of a transformers model inside the block.

    Nothing changes if the device is not a CPU or the model does not support it.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    original = getattr(model.config, "_attn_implementation", None)
    supported = getattr(type(model), "_supports_attention_backend", False)
    supported = supported and not getattr(model.config, "attn_logit_softcapping", None)
    if device != "cpu" or not supported or original not in ("sdpa", "eager"):
        yield
        return
    AttentionInterface.register(_ATTENTION_NAME, products)
    AttentionMaskInterface.register(_ATTENTION_NAME, eager_mask)
    model.set_attn_implementation(_ATTENTION_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(original)
