"""Optional packages, which are imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nlptl.base.errors import ConfigError


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
