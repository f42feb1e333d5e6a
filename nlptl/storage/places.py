"""Where nlptl keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path

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
