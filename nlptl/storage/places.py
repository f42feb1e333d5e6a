"""Where nlptl keeps what it can make again, and where the files of users are."""

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
        If it lies in the home folder, and the process has none.
    """
    try:
        chosen = os.environ.get(CACHE_VARIABLE)
        if chosen:
            return user_path(chosen)
        return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "nlptl"
    except StorageError as problem:
        raise StorageError(
            f"There is no folder for caches: {problem} Or set {CACHE_VARIABLE} to a folder."
        ) from problem


def fixed_path(name: _Name) -> _Name:
    """Return a relative path of a file or folder as an absolute one, which outlives a ``chdir``.

    Everything else, such as the name of an encoder on the Hub, is returned as it is.
    """
    if not isinstance(name, str | Path) or not name or not Path(name).exists():
        return name
    return type(name)(Path(name).absolute())
