"""The list of all encoders, and how one becomes a folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nlptl.base.described import entry
from nlptl.base.errors import StorageError
from nlptl.base.suggestions import suggest


@dataclass(frozen=True)
class EncoderRecord:
    """One kind of encoder.

    Attributes
    ----------
    name : str
        Short name.
    class_name, module : str
        Where the class is. It is imported when it is needed.
    on_command_line : bool
        True if the command line and YAML files can make one.
    """

    name: str
    class_name: str
    module: str
    on_command_line: bool = True

    @property
    def kind(self) -> Any:
        """The class."""
        return getattr(import_module(self.module), self.class_name)


ENCODERS = (
    EncoderRecord("entailment", "EntailmentEncoder", "nlptl.encoders.entailment", False),
    EncoderRecord("fused", "FusedEncoder", "nlptl.encoders.fused", False),
    EncoderRecord("static", "StaticEncoder", "nlptl.encoders.static.static_encoder"),
    EncoderRecord("tfidf", "TfidfEncoder", "nlptl.encoders.tfidf"),
    EncoderRecord(
        "transformer", "TransformerEncoder", "nlptl.encoders.contextual.transformer_encoder"
    ),
)
"""Every kind of encoder: the only list. Config, command line and saving read it."""


def encoder_classes() -> dict[str, EncoderRecord]:
    """Return the records of all encoders by the names of their classes."""
    return {record.class_name: record for record in ENCODERS}


def save_encoder_part(encoder: Any, folder: Path) -> dict[str, Any]:
    """Write an encoder into a new folder; give the JSON from which it can be read again.

    Raises
    ------
    StorageError
        If it is not one of nlptl's own encoders.
    """
    kind = type(encoder).__name__
    if kind not in encoder_classes():
        raise StorageError(
            f"An encoder of type {kind} cannot be saved: only {', '.join(encoder_classes())} can, "
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
    known = encoder_classes()
    if kind not in known:
        raise StorageError(f"No encoder is called {kind[:80]!r}. {suggest(kind[:80], known)}")
    rest = {name: value for name, value in described.items() if name != "kind"}
    return known[kind].kind.load(folder, rest)
