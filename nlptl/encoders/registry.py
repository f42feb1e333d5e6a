"""The closed list of encoders that a model folder may hold."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nlptl.base.described import entry
from nlptl.base.errors import StorageError
from nlptl.base.suggestions import suggest

ENCODER_KINDS = MappingProxyType(
    {
        "EntailmentEncoder": "nlptl.encoders.entailment",
        "FusedEncoder": "nlptl.encoders.fused",
        "StaticEncoder": "nlptl.encoders.static.static_encoder",
        "TfidfEncoder": "nlptl.encoders.tfidf",
        "TransformerEncoder": "nlptl.encoders.contextual.transformer_encoder",
    }
)
"""Class name to module."""


def save_encoder_part(encoder: Any, folder: Path) -> dict[str, Any]:
    """Write an encoder into a new folder; give the JSON from which it can be read again.

    Raises
    ------
    StorageError
        If it is not one of nlptl's own encoders.
    """
    kind = type(encoder).__name__
    if kind not in ENCODER_KINDS:
        raise StorageError(
            f"An encoder of type {kind} cannot be saved: only {', '.join(ENCODER_KINDS)} can, "
            "since nothing is ever pickled."
        )
    folder.mkdir(parents=True)
    return {"kind": kind, **encoder.save(folder)}


def load_encoder_part(described: dict[str, Any], folder: Path) -> Any:
    """Read an encoder that ``save_encoder_part`` wrote.

    Raises
    ------
    StorageError
        If the kind is unknown to this release.
    """
    kind = entry(described, "kind", str)
    if kind not in ENCODER_KINDS:
        known = suggest(kind[:80], ENCODER_KINDS)
        raise StorageError(f"No encoder is called {kind[:80]!r}. {known}")
    rest = {name: value for name, value in described.items() if name != "kind"}
    return getattr(import_module(ENCODER_KINDS[kind]), kind).load(folder, rest)
