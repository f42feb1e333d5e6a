"""Options of ``nlptl train`` for a model that another library can read after an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.part import Part
from nlptl.transfer.registry import METHODS

EXPORT_OPTIONS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "transformers": {"encoder": {"pooling": {"tokens": "stock", "normalize": False}}},
        "peft": {"transfer": {"merge": False}},
        "sentence-transformers": {"transfer": {"layers": "top"}},
        "onnx": {},
    }
)
"""Options of the parts of a model per export format. They are used where the user sets none."""

_TRANSFERS = {"transformers": "full", "peft": "lora", "sentence-transformers": "frozen"}
_NO_TRANSFORMERS = ("static", "tfidf")
_NOT_LINEAR = ("mlp", "prototype")


def with_export_options(
    format: str,  # noqa: A002
    parts: Mapping[str, Part],
    settings: Mapping[str, Any],
) -> tuple[dict[str, Part], dict[str, Any]]:
    """Add the options that a model needs for an export format.

    Parameters
    ----------
    format : {"transformers", "peft", "sentence-transformers", "onnx"}
    parts : mapping
        The parts that the user set, from the YAML file and flags.
    settings : mapping
        The other settings, such as ``text_column``.

    Returns
    -------
    parts, settings
        With the options of the format where the user sets none.

    Raises
    ------
    ConfigError
        If the format is unknown, or something that the user set cannot be exported to it.
    """
    if format not in EXPORT_OPTIONS:
        raise ConfigError(f"--for {format!r} is not known. {suggest(format, EXPORT_OPTIONS)}")
    names = _names(parts["transfer"])
    _check(format, parts, settings, names)
    chosen = dict(parts)
    if not names and format in _TRANSFERS:
        chosen["transfer"] = replace(parts["transfer"], name=_TRANSFERS[format])
    elif format == "sentence-transformers" and "frozen" not in names and not _tunes(names):
        chosen["transfer"] = replace(parts["transfer"], name="+".join(["frozen", *names]))
    needed = EXPORT_OPTIONS[format]
    if format == "sentence-transformers" and _tunes(names):
        needed = {}  # the head of a tuned encoder reads the last layer anyway
    for part, options in needed.items():
        _check_options(format, part, options, chosen[part].options)
        chosen[part] = replace(chosen[part], options={**options, **chosen[part].options})
    columns = settings.get("text_column")
    if isinstance(columns, list | tuple) and len(columns) > 1:
        settings = {"pair_encoding": "joint", **settings}
    return chosen, dict(settings)


def _check(
    format: str,  # noqa: A002
    parts: Mapping[str, Part],
    settings: Mapping[str, Any],
    names: list[str],
) -> None:
    """Refuse what the user set if it cannot be exported to a format."""
    encoder, head, columns = parts["encoder"].name, parts["head"].name, settings.get("text_column")
    refused = None
    if settings.get("task") == "regression":
        refused = "classes", "--task regression"
    elif encoder in _NO_TRANSFORMERS:
        refused = "a transformer", f"--encoder {encoder}"
    elif head in _NOT_LINEAR:
        refused = "a linear head", f"--head {head}"
    elif format == "peft" and names and "lora" not in names:
        refused = "--transfer lora", f"--transfer {parts['transfer'].name}"
    elif format != "onnx" and "auto" in names:
        refused = "a transfer that is chosen before the training", "--transfer auto"
    elif format == "transformers" and names and not _tunes(names):
        refused = "a transfer that tunes the encoder", f"--transfer {parts['transfer'].name}"
    elif format == "sentence-transformers" and isinstance(columns, list | tuple):
        refused = ("single texts", "two text columns") if len(columns) > 1 else None
    if refused is not None:
        need, received = refused
        raise ConfigError(f"--for {format} needs {need}, got {received}. Leave one of them out.")


def _check_options(
    format: str,  # noqa: A002
    part: str,
    needed: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    """Refuse an option with another value than a format needs. Flags are strings of YAML."""
    import yaml

    for name in needed.keys() & options.keys():
        value = options[name]
        if (yaml.safe_load(value) if isinstance(value, str) else value) != needed[name]:
            raise ConfigError(
                f"--for {format} needs {part}.{name} = {needed[name]!r}, got {value!r}. Leave one "
                "of them out."
            )


def _names(transfer: Part) -> list[str]:
    """Return the names of the joined transfers."""
    return [name.strip() for name in (transfer.name or "").split("+") if name.strip()]


def _tunes(names: list[str]) -> bool:
    """Return True if a transfer trains the encoder."""
    return any(method.trains_encoder for method in METHODS if method.name in names)
