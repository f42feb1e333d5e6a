"""Where nlptl keeps what it can make again, and where the files of users are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

_Name = TypeVar("_Name")

CACHE_VARIABLE = "NLPTL_CACHE"


def cache_root() -> Path:
    """Give the folder for caches: ``$NLPTL_CACHE``, else ``nlptl`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "nlptl"


def fixed_path(name: _Name) -> _Name:
    """Return a relative path of a file or folder as an absolute one, which outlives a ``chdir``.

    Everything else, such as the name of an encoder on the Hub, is returned as it is.
    """
    if not isinstance(name, str | Path) or not name or not Path(name).exists():
        return name
    return type(name)(Path(name).absolute())
