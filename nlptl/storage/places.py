"""Paths of the cache folder and of the user's files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path

_Name = TypeVar("_Name")

CACHE_VARIABLE = "NLPTL_CACHE"


def cache_root() -> Path:
    """Return the folder for caches: ``$NLPTL_CACHE``, else ``nlptl`` in the user's cache folder.

    Raises
    ------
    StorageError
        If the cache folder lies in the home folder, and the process has no home folder.
    """
    try:
        folder = os.environ.get(CACHE_VARIABLE)
        if folder:
            return user_path(folder)
        return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "nlptl"
    except StorageError as problem:
        raise StorageError(
            f"There is no folder for caches: {problem} Or set {CACHE_VARIABLE} to a folder."
        ) from problem


def fixed_path(name: _Name) -> _Name:
    """Return the absolute path of an existing file or folder, which stays valid after ``chdir``.

    Every other value, such as the name of an encoder on the Hub, is returned unchanged.
    """
    if not isinstance(name, str | Path) or not name or not Path(name).exists():
        return name
    return type(name)(Path(name).absolute())
