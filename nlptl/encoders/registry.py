"""Registry of all encoders, and functions that save and load them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nlptl.base.described import entry
from nlptl.base.errors import StorageError
from nlptl.base.inputs import JsonObject
from nlptl.base.protocols import Encoder, StoredEncoder
from nlptl.base.suggestions import suggest


@dataclass(frozen=True)
class EncoderRecord:
    """Registry entry of one encoder class.

    Attributes
    ----------
    name : str
        Short name.
    class_name, module : str
        Name of the class and of its module. The module is imported when the class is needed.
    on_command_line : bool
        True if the command line and YAML files can create this encoder.
    """

    name: str
    class_name: str
    module: str
    on_command_line: bool = True

    @property
    def kind(self) -> Any:
        """The encoder class."""
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
"""All encoder classes. This is the only list. Config, command line and saving read it."""


def encoder_classes() -> dict[str, EncoderRecord]:
    """Return the records of all encoders by the names of their classes."""
    return {record.class_name: record for record in ENCODERS}


def save_encoder_part(encoder: Encoder, folder: Path) -> dict[str, Any]:
    """Write an encoder into a new folder and return the JSON that ``load_encoder_part`` reads.

    Raises
    ------
    StorageError
        If the encoder is not one of nlptl's encoders.
    """
    kind = type(encoder).__name__
    if kind not in encoder_classes() or not isinstance(encoder, StoredEncoder):
        raise StorageError(
            f"An encoder of type {kind} cannot be saved, because nlptl never pickles objects. "
            f"Use one of {', '.join(encoder_classes())}."
        )
    folder.mkdir(parents=True)
    return {"kind": kind, **encoder.save(folder)}


def load_encoder_part(described: JsonObject, folder: Path) -> Any:
    """Load an encoder that ``save_encoder_part`` wrote.

    Raises
    ------
    StorageError
        If this release has no such encoder.
    """
    kind = entry(described, "kind", str)
    records = encoder_classes()
    if kind not in records:
        raise StorageError(f"No encoder is called {kind[:80]!r}. {suggest(kind[:80], records)}")
    settings = {name: value for name, value in described.items() if name != "kind"}
    return records[kind].kind.load(folder, settings)
