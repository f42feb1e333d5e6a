"""Where nlptl keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "NLPTL_CACHE"


def cache_root() -> Path:
    """Give the folder for caches: ``$NLPTL_CACHE``, else ``nlptl`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "nlptl"
