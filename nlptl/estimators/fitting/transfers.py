"""The transfers of a fit: one, or several that agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA
from nlptl.transfer.relations.meaning import LabelMeaning

_MAIN = (FullFineTune, LoRA)
"""What says which weights of the encoder learn: one of these a fit."""


@dataclass(frozen=True)
class Transfers:
    """What a fit carries over, and how.

    Attributes
    ----------
    main : transfer
        ``Frozen``, or what says which weights of the encoder learn.
    beside : tuple of transfers
        What else is bound to the network.
    meaning : LabelMeaning or None
        What the labels mean, where that is to be used.
    """

    main: Any
    beside: tuple[Any, ...] = ()
    meaning: LabelMeaning | None = None

    @property
    def tunes(self) -> bool:
        """Whether weights of the encoder learn."""
        return isinstance(self.main, _MAIN)

    @property
    def refits_head(self) -> bool:
        """Whether the head is fitted once the encoder is tuned, instead of learning with it."""
        return any(getattr(one, "refits_head", False) for one in self)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.main, *self.beside))


def as_transfers(given: Any) -> Transfers:
    """Read what a user gave as ``transfer``: nothing, one object, or a list.

    Without a transfer that says which weights learn, one that stands beside it trains them all.

    Raises
    ------
    ConfigError
        If something is no transfer, or two contradict each other.
    """
    several = list(given) if isinstance(given, list | tuple) else [given]
    chosen = [one for one in several if one is not None]
    for one in chosen:
        known = any(hasattr(one, method) for method in ("bind", "learn", "texts"))
        if not known or isinstance(one, type):
            raise ConfigError(f"transfer must be a transfer such as Frozen(), got {one!r}.")
    # What acts on weights without saying which of them learn stands beside what says so.
    beside = tuple(one for one in chosen if hasattr(one, "bind") and not isinstance(one, _MAIN))
    meanings = [one for one in chosen if isinstance(one, LabelMeaning)]
    mains = [one for one in chosen if one not in beside and one not in meanings]
    if len(meanings) > 1:
        raise ConfigError("LabelMeaning() is given twice: put all names into one.")
    if len(mains) > 1:
        names = " and ".join(f"{type(one).__name__}()" for one in mains)
        raise ConfigError(f"{names} contradict each other: give one of them.")
    if beside and mains and not isinstance(mains[0], _MAIN):
        raise ConfigError(
            f"{type(beside[0]).__name__}() acts on weights that learn, and "
            f"{type(mains[0]).__name__}() trains none. Use FullFineTune() beside it."
        )
    main = mains[0] if mains else FullFineTune() if beside else Frozen()
    return Transfers(main, beside, meanings[0] if meanings else None)
