"""Short names of encoders, transfers and heads, which stand for objects with default settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.encoders import registry as encoders
from nlptl.heads import registry as heads
from nlptl.transfer import registry as transfers


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
    """Return the encoder for ``"static"``, ``"tfidf"`` or ``"transformer"``.

    Every other value is returned unchanged: other strings are folders or names on the Hub. A
    folder with one of these names is used as a folder.
    """
    kinds = kinds_of("encoder")
    if not isinstance(encoder, str) or encoder not in kinds or Path(encoder).exists():
        return encoder
    return kinds[encoder]()()


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
