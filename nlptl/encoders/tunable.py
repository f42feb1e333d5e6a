"""Encoders whose weights can be trained."""

from __future__ import annotations

from typing import TypeGuard

from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder

_NAMES = ("reader", "with_layers", "with_weights")


def is_tunable(encoder: object) -> TypeGuard[TransformerEncoder]:
    """Return True if an encoder reads texts in windows with weights that can be trained.

    The attributes count, not the class: ``reader`` tokenizes texts and loads the weights,
    ``with_weights`` and ``with_layers`` return copies. ``TransformerEncoder`` has them.
    """
    return all(hasattr(type(encoder), name) for name in _NAMES)
