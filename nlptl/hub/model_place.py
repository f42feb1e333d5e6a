"""The folder of a model: a local one, or a copy of one on the Hub."""

from __future__ import annotations

from pathlib import Path

from nlptl.base.errors import HubError
from nlptl.hub.client import is_name
from nlptl.hub.fetching import fetch_folder
from nlptl.storage.atomic import saved_folder


def place_of(name_or_path: str | Path, *, revision: str | None = None) -> Path:
    """Return the folder of a model: a local one, or a fetched copy of one on the Hub."""
    path = saved_folder(name_or_path)
    if path.is_dir() or isinstance(name_or_path, Path) or not is_name(name_or_path):
        return path
    try:
        return fetch_folder(name_or_path, revision=revision)
    except HubError as problem:
        raise HubError(
            f"Expected a folder or a model on the Hub, but there is no folder {name_or_path!r}. "
            f"{problem}"
        ) from problem
