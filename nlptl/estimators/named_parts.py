"""Short names of encoders, transfers and heads, which estimators take in place of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.encoders.registry import ENCODERS
from nlptl.heads.registry import HEADS
from nlptl.transfer.registry import METHODS


def with_objects(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an estimator with objects in place of short names.

    Raises
    ------
    ConfigError
        If a transfer or a head has an unknown name. The message suggests the nearest name.
    """
    named = {"encoder": named_encoder, "transfer": named_transfer, "head": named_head}
    objects = {name: find(params[name]) for name, find in named.items() if name in params}
    return {**params, **objects}


def named_encoder(encoder: Any) -> Any:
    """Return the encoder for ``"static"``, ``"tfidf"`` or ``"transformer"``.

    Every other value is returned unchanged: other strings are folders or names on the Hub. A
    folder with one of these names is used as a folder.
    """
    records = {record.name: record for record in ENCODERS if record.on_command_line}
    if not isinstance(encoder, str) or encoder not in records or Path(encoder).exists():
        return encoder
    return records[encoder].kind()


def named_transfer(transfer: Any) -> Any:
    """Return the transfers for names such as ``"contrastive"`` or ``"contrastive+lora"``.

    A list may contain names and objects. Every other value is returned unchanged.

    Raises
    ------
    ConfigError
        If no transfer has the name, or the transfer has settings without a default.
    """
    if isinstance(transfer, list | tuple):
        return [_transfer(part) if isinstance(part, str) else part for part in transfer]
    if not isinstance(transfer, str):
        return transfer
    parts = [_transfer(name.strip()) for name in transfer.split("+")]
    return parts[0] if len(parts) == 1 else parts


def named_head(head: Any) -> Any:
    """Return the head for a name such as ``"logistic"``. Other values are returned unchanged.

    Raises
    ------
    ConfigError
        If no head has the name, or the head has settings without a default.
    """
    if not isinstance(head, str):
        return head
    return _made("head", head, {record.name: record for record in HEADS})


def _transfer(name: str) -> Any:
    methods = {method.name: method for method in METHODS if method.on_command_line}
    return _made("transfer", name, methods)


def _made(part: str, name: str, records: Mapping[str, Any]) -> Any:
    """Create the object of a name with its default settings."""
    if name not in records:
        raise ConfigError(f"No {part} is called {name!r}. {suggest(name, records)}")
    kind: Callable[[], Any] = records[name].kind
    try:
        return kind()
    except TypeError as problem:
        needed = ", ".join(_words(problem))
        raise ConfigError(
            f"{part}={name!r} needs settings ({needed}). Pass an object: "
            f"{records[name].kind.__name__}(...)."
        ) from problem


def _words(problem: TypeError) -> Iterable[str]:
    """Return the names of the missing arguments in the message of Python."""
    return str(problem).split("'")[1::2]
