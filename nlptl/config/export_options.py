"""Options of ``nlptl train`` for a model that another library can read after an export."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest

EXPORT_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "transformers": {
            "transfer": "full",
            "encoder.pooling": {"tokens": "stock", "normalize": False},
        },
        "peft": {"transfer": "lora", "transfer.merge": False},
        "sentence-transformers": {"transfer": "frozen", "transfer.layers": "top"},
        "onnx": {},
    }
)
"""Options per export format. They are used where the user sets none."""

_ONLY_TRANSFER = {"peft": "lora"}
_NO_TRANSFORMERS = ("static", "tfidf")


def with_export_options(
    format: str,  # noqa: A002
    settings: Mapping[str, Any],
    flags: Mapping[str, object],
) -> dict[str, object]:
    """Add the options that a model needs for an export format.

    Parameters
    ----------
    format : {"transformers", "peft", "sentence-transformers", "onnx"}
    settings : mapping
        Settings of the YAML file.
    flags : mapping
        Flags that the user set. They are not changed.

    Returns
    -------
    dict
        The flags, and the options of the format for which there is neither a flag nor a setting.
        Options of a transfer are added only if the user chose no other transfer.

    Raises
    ------
    ConfigError
        If the format is unknown, or the chosen encoder or transfer cannot be exported to it.
    """
    if format not in EXPORT_OPTIONS:
        raise ConfigError(f"--for {format!r} is not known. {suggest(format, EXPORT_OPTIONS)}")
    encoder = flags.get("encoder") or _name(settings.get("encoder"))
    if encoder in _NO_TRANSFORMERS:
        raise ConfigError(
            f"--for {format} needs a transformer, got --encoder {encoder}. Leave one of them out."
        )
    options = dict(EXPORT_OPTIONS[format])
    chosen = flags.get("transfer") or _name(settings.get("transfer"))
    only = _ONLY_TRANSFER.get(format)
    if only is not None and chosen is not None and only not in str(chosen).split("+"):
        raise ConfigError(
            f"--for {format} needs --transfer {only}, got {chosen!r}. Leave one of them out."
        )
    if chosen is not None and chosen != options.get("transfer"):
        options = {n: v for n, v in options.items() if n.partition(".")[0] != "transfer"}
        options |= {} if only is None else {"transfer.merge": False}
    present = {name for name in options if _is_set(name, settings)}
    return {**{n: v for n, v in options.items() if n not in present}, **flags}


def _name(setting: object) -> object:
    """Return the name of a part that is set as ``full`` or as ``{name: full, ...}``."""
    return setting.get("name") if isinstance(setting, dict) else setting


def _is_set(name: str, settings: Mapping[str, Any]) -> bool:
    """Return True if a YAML file sets an option such as ``encoder.pooling``."""
    part, _, option = name.partition(".")
    setting = settings.get(part)
    if not option:
        return setting is not None
    return isinstance(setting, dict) and option in setting
