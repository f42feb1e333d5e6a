"""Old names of attributes, which still work and say what the new name is."""

from __future__ import annotations

import warnings
from typing import Any


class RenamedAttribute:
    """An old name of an attribute; reading it gives the new one and a ``DeprecationWarning``.

    Parameters
    ----------
    new : str
        The name that took its place.
    """

    def __init__(self, new: str) -> None:
        self.new = new
        self.old = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.old = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        warnings.warn(
            f"{owner.__name__}.{self.old} is called {self.new} now. The old name will go.",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(instance, self.new)
