"""Lazy imports: names of a package on first access, and optional packages where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nlptl.base.errors import ConfigError


def lazy_names(module: str, homes: Mapping[str, str], name: str) -> Any:
    """Import ``name`` from the module that defines it; for use in a module's ``__getattr__``.

    Raises
    ------
    AttributeError
        If the module exports no such name.
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)


def require(module: str, *, extra: str) -> Any:
    """Import a module of an optional package.

    Raises
    ------
    ConfigError
        If the package is not installed. The message names the extra that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        package = module.partition(".")[0]
        if problem.name != package:
            raise  # the package is installed, but one of its own imports fails
        raise ConfigError(
            f"This needs {package}, which is not installed. Run: pip install 'nlptl[{extra}]'"
        ) from problem
