"""One part of a run: its name and its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Part:
    """The short name of a part and its options, as the user wrote them."""

    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
