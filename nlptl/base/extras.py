"""Asking for optional packages where they are used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from nlptl.base.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package or say how to get it.

    Parameters
    ----------
    module : str
        Dotted name of the module to import.
    extra : str
        The extra of nlptl that installs it.

    Raises
    ------
    MissingExtraError
        If the package itself is absent. A package that is there but broken raises its own error.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"This needs {module}, which is not installed. Run: pip install 'nlptl[{extra}]'"
        ) from missing
