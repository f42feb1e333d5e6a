"""Read the settings for scoring a large table from a YAML file and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.run import read_yaml
from nlptl.estimators.bulk.job import BulkJob

_REQUIRED = ("model", "data", "output")
_INTEGERS = ("chunk_rows", "processes")


def read_job(config: str | None, flags: Mapping[str, object]) -> BulkJob:
    """Read the settings from a YAML file and flags. Flags override the file.

    Parameters
    ----------
    config : str or None
        Path of a YAML file whose keys are the fields of ``BulkJob``.
    flags : mapping
        Values from the command line; None if a flag is absent.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is missing, unknown or of the wrong type.
    """
    file_settings = read_yaml(config) if config else {}
    names = [entry.name for entry in fields(BulkJob)]
    for name in file_settings:
        if name not in names:
            raise ConfigError(f"Unknown setting {name!r} in {config!r}. {suggest(name, names)}")
    merged = {**file_settings, **_without_none(flags)}
    settings = _without_none(merged)
    for name in _REQUIRED:
        if not isinstance(settings.get(name), str):
            raise ConfigError(
                f"{name} must be a path, got {settings.get(name)!r}. Pass --{name} PATH, or "
                f"write {name}: PATH in a YAML file."
            )
    for name in _INTEGERS:
        if name in settings:
            settings[name] = _integer(name, settings[name])
    columns = settings.pop("text_column", ())
    text_column = (columns,) if isinstance(columns, str) else tuple(columns)
    return BulkJob(text_column=text_column, **settings)


def _without_none(settings: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _integer(name: str, value: str | float) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool) or (isinstance(value, float) and number != value):
        raise ConfigError(f"{name} must be an integer, got {value!r}. Write digits only.")
    return number
