"""Encoders whose weights can be trained."""

from __future__ import annotations

from typing import TypeGuard

from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder

_METHODS = ("loaded", "windows", "with_layers", "with_weights")


def is_tunable(encoder: object) -> TypeGuard[TransformerEncoder]:
    """Return True if an encoder reads texts in windows with weights that can be trained.

    The methods count, not the class: ``windows`` tokenizes texts, ``loaded`` returns the weights,
    ``with_weights`` and ``with_layers`` return copies. ``TransformerEncoder`` has them.
    """
    return all(callable(getattr(type(encoder), name, None)) for name in _METHODS)
