"""Names that are imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def lazy_names(module: str, homes: Mapping[str, str], name: str) -> Any:
    """Import ``name`` from its home; for use in a module's ``__getattr__``.

    Raises
    ------
    AttributeError
        If the module offers no such name.
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)
