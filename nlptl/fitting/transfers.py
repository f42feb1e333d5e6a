"""The transfers of a fit: one, or several that agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from nlptl.base.errors import ConfigError
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation
from nlptl.transfer.instances import SelfTraining, SourceRows, WordEdits
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA
from nlptl.transfer.relations.label_meaning import LabelMeaning

_MAIN = (FullFineTune, LoRA)
"""What says which weights of the encoder learn: one of these a fit."""

_ROWS = (LabelMeaning, SourceRows, WordEdits, SelfTraining)
"""What gives further rows to learn from; one of each at most."""

Kind = TypeVar("Kind")


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
    edits : WordEdits or None
        How further rows are made from those there are.
    selftraining : SelfTraining or None
        How rows without labels are learnt from.
    source : SourceRows or None
        What labelled rows of elsewhere count.
    """

    main: Any
    beside: tuple[Any, ...] = ()
    meaning: LabelMeaning | None = None
    edits: WordEdits | None = None
    selftraining: SelfTraining | None = None
    source: SourceRows | None = None

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


def as_transfers(given: Any, *, translations: bool = False) -> Transfers:
    """Read what a user gave as ``transfer``: nothing, one object, or a list.

    ``translations`` says that what is learnt from are sentences with their translations.

    Without a transfer that says which weights learn, one that stands beside it trains them all.

    Raises
    ------
    ConfigError
        If something is no transfer, or two contradict each other.
    """
    several = list(given) if isinstance(given, list | tuple) else [given]
    chosen = [one for one in several if one is not None]
    for one in chosen:
        known = isinstance(one, _ROWS) or any(hasattr(one, m) for m in ("bind", "learn"))
        if not known or isinstance(one, type):
            raise ConfigError(f"transfer must be a transfer such as Frozen(), got {one!r}.")
        if isinstance(one, LanguageDistillation) and not translations:
            raise ConfigError(
                "LanguageDistillation() learns from translations, and not from labels: give pairs "
                "to LanguageStudent(encoder).fit(pairs), and its encoder_ to the model."
            )
    # What acts on weights without saying which of them learn stands beside what says so.
    beside = tuple(one for one in chosen if hasattr(one, "bind") and not isinstance(one, _MAIN))
    mains = [one for one in chosen if one not in beside and not isinstance(one, _ROWS)]
    if len(mains) > 1:
        names = " and ".join(f"{type(one).__name__}()" for one in mains)
        raise ConfigError(f"{names} contradict each other: give one of them.")
    if beside and mains and not isinstance(mains[0], _MAIN):
        raise ConfigError(
            f"{type(beside[0]).__name__}() acts on weights that learn, and "
            f"{type(mains[0]).__name__}() trains none. Use FullFineTune() beside it."
        )
    main = mains[0] if mains else FullFineTune() if beside else Frozen()
    meaning, edits = _only(LabelMeaning, chosen), _only(WordEdits, chosen)
    further = (edits, _only(SelfTraining, chosen), _only(SourceRows, chosen))
    found = Transfers(main, beside, meaning, *further)
    joined = next((one for one in further if one is not None), None)
    if joined is not None and found.tunes and not found.refits_head:
        raise ConfigError(
            f"{type(joined).__name__}() does not stand beside {type(main).__name__}() alone. "
            "Add Contrastive(), or leave the encoder frozen."
        )
    return found


def _only(kind: type[Kind], chosen: list[Any]) -> Kind | None:
    """Give the one object of a kind that there is, or None."""
    found = [one for one in chosen if isinstance(one, kind)]
    if len(found) > 1:
        raise ConfigError(f"{kind.__name__}() is given {len(found)} times: one is enough.")
    return found[0] if found else None
