"""Deprecated names of attributes, which still work and warn with the new name."""

from __future__ import annotations

import warnings
from typing import Any


class RenamedAttribute:
    """Old name of an attribute: returns the value of the new name with a ``DeprecationWarning``.

    Parameters
    ----------
    new : str
        The name that replaces the old name.
    """

    def __init__(self, new: str) -> None:
        self.new = new
        self.old = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.old = name

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        warnings.warn(
            f"{owner.__name__}.{self.old} is called {self.new} now. The old name will be removed. "
            f"Use {self.new}.",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(instance, self.new)
