"""Short names and objects of other libraries that stand for an encoder, transfer or head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.encoders import registry as encoders
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.heads import registry as heads
from nlptl.transfer import registry as transfers

_SENTENCES = ("One text.", "And another one.")
_MAX_DIFFERENCE = 1e-3
_CLOSE = 0.75
"""Similarity from which a name without a slash is taken for a mistyped short name."""


def kinds_of(part: str) -> dict[str, Callable[[], Any]]:
    """Return a function that imports the class, per short name.

    Parameters
    ----------
    part : {"encoder", "transfer", "head"}
    """
    if part == "encoder":
        records: Any = [record for record in encoders.ENCODERS if record.on_command_line]
    elif part == "transfer":
        records = [method for method in transfers.METHODS if method.on_command_line]
    else:
        records = heads.HEADS
    return {record.name: partial(getattr, record, "kind") for record in records}


def class_named(name: str, kinds: Mapping[str, Callable[[], Any]], *, part: str) -> Any:
    """Return the class that a short name refers to.

    Raises
    ------
    ConfigError
        If no class has this name. The message suggests the nearest name.
    """
    if name not in kinds:
        raise ConfigError(f"No {part} is called {name!r}. {suggest(name, sorted(kinds))}")
    return kinds[name]()


def with_objects(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an estimator with objects in place of short names.

    Raises
    ------
    ConfigError
        If a transfer or a head has an unknown name.
    """
    named = {"encoder": named_encoder, "transfer": named_transfer, "head": named_head}
    objects = {name: find(params[name]) for name, find in named.items() if name in params}
    return {**params, **objects}


def named_encoder(encoder: Any) -> Any:
    """Return the encoder for ``"static"``, ``"tfidf"``, ``"transformer"`` or another library.

    Every other value is returned unchanged: other strings are folders or names on the Hub. A
    folder with one of these names is used as a folder.

    Raises
    ------
    ConfigError
        If an object of sentence-transformers cannot be used, or a short name is mistyped.
    """
    if any(kind.__name__ == "SentenceTransformer" for kind in type(encoder).__mro__):
        return _encoder_of(encoder)
    kinds = kinds_of("encoder")
    if not isinstance(encoder, str) or Path(encoder).exists():
        return encoder
    if encoder in kinds:
        return kinds[encoder]()()
    check_spelling(encoder)
    return encoder


def check_spelling(encoder: str) -> None:
    """Check that the name of an encoder is no mistyped short name, before the network is asked.

    Raises
    ------
    ConfigError
        If the name has no slash, is no folder, and is close to a short name.
    """
    names = [] if "/" in encoder or Path(encoder).exists() else kinds_of("encoder")
    if get_close_matches(encoder, names, n=1, cutoff=_CLOSE):
        raise ConfigError(
            f"Encoder {encoder!r} is not a local folder, and names on the Hub are written "
            f"user/name. {suggest(encoder, names)}"
        )


def _encoder_of(model: Any) -> TransformerEncoder:
    """Return the encoder for the folder or Hub name that a ``SentenceTransformer`` came from.

    Raises
    ------
    ConfigError
        If it did not come from a folder or the Hub, or if it gives other vectors than the files.
    """
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    name = getattr(config, "_name_or_path", "")
    advice = "Call model.save(folder), and pass the folder as the encoder."
    if not name:
        raise ConfigError(
            "encoder must be a name, a folder, an encoder of nlptl, or a SentenceTransformer that "
            f"was loaded from a folder or the Hub, got {type(model).__name__} without such a name. "
            f"{advice}"
        )
    vectors = model.encode(list(_SENTENCES), show_progress_bar=False)
    expected = TransformerEncoder(name, precision="float32", cache=None).transform(_SENTENCES)
    if vectors.shape != expected.shape or np.abs(vectors - expected).max() > _MAX_DIFFERENCE:
        raise ConfigError(
            f"The SentenceTransformer from {name!r} gives other vectors than the files there, as "
            f"after a training or a change of its settings. {advice}"
        )
    return TransformerEncoder(name)


def named_transfer(transfer: Any) -> Any:
    """Return the transfers for names such as ``"contrastive"`` or ``"contrastive+lora"``.

    A list may contain names and objects. Every other value is returned unchanged.

    Raises
    ------
    ConfigError
        If no transfer has the name.
    """
    if isinstance(transfer, list | tuple):
        return [_made("transfer", part) for part in transfer]
    if not isinstance(transfer, str):
        return transfer
    parts = [_made("transfer", name.strip()) for name in transfer.split("+")]
    return parts[0] if len(parts) == 1 else parts


def named_head(head: Any) -> Any:
    """Return the head for a name such as ``"logistic"``. Other values are returned unchanged.

    Raises
    ------
    ConfigError
        If no head has the name.
    """
    return _made("head", head)


def _made(part: str, value: Any) -> Any:
    """Return the object of a name with its default settings. Other values are returned."""
    if not isinstance(value, str):
        return value
    return class_named(value, kinds_of(part), part=part)()
