"""The settings of scoring a large table, from a YAML file and from flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.config.run import read_yaml
from nlptl.estimators.bulk.job import BulkJob

_NEEDED = ("model", "data", "output")
_NUMBERS = ("chunk_rows", "processes")


def read_job(config: str | None, flags: Mapping[str, Any]) -> BulkJob:
    """Join a YAML file with flags; flags win.

    Parameters
    ----------
    config : str or None
        Path of a YAML file whose keys are the fields of ``BulkJob``.
    flags : mapping
        Settings given on the command line; None stands for not given.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is missing, unknown or of the wrong type.
    """
    written = read_yaml(config) if config else {}
    known = [entry.name for entry in fields(BulkJob)]
    for name in written:
        if name not in known:
            raise ConfigError(f"There is no setting {name!r} in {config!r}. {suggest(name, known)}")
    given = {n: v for n, v in {**written, **_given(flags)}.items() if v is not None}
    for name in _NEEDED:
        if not isinstance(given.get(name), str):
            raise ConfigError(
                f"{name} must be a path, got {given.get(name)!r}. Give --{name} PATH, or "
                f"{name}: PATH in a YAML file."
            )
    for name in _NUMBERS:
        if name in given:
            given[name] = _whole(name, given[name])
    columns = given.pop("text_column", ())
    return BulkJob(text_column=(columns,) if isinstance(columns, str) else tuple(columns), **given)


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _whole(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as problem:
        raise ConfigError(f"{name} must be a whole number, got {value!r}.") from problem
