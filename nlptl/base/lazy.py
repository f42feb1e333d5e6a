"""What is imported when it is first asked for: names of a package, and packages of an extra."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nlptl.base.errors import ConfigError


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


def require(module: str, *, extra: str) -> Any:
    """Import a module of a package that not everybody has.

    Raises
    ------
    ConfigError
        If the package is not there; the extra that brings it is named.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        package = module.partition(".")[0]
        if problem.name != package:
            raise  # it is there; something that it needs is broken
        raise ConfigError(
            f"This needs {package}, which is not installed: pip install 'nlptl[{extra}]'."
        ) from problem
