"""The transfers of a fit: one, or several that are combined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation
from nlptl.transfer.instances import CoTraining, SelfTraining, SourceRows, WordEdits
from nlptl.transfer.parameters.fine_tune_first import FineTuneFirst
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.source_head import SourceHead
from nlptl.transfer.relations.label_meaning import LabelMeaning

Kind = TypeVar("Kind", bound=Transfer)


@dataclass(frozen=True)
class Transfers:
    """The transfers of a fit.

    Attributes
    ----------
    main : Transfer
        ``Frozen``, or the transfer that chooses which weights of the encoder are trained.
    others : tuple of Transfer
        Other transfers that are bound to the network.
    meaning : LabelMeaning or None
    edits : WordEdits or None
    selftraining : SelfTraining or CoTraining or None
    source : SourceRows or None
        Transfers that add rows, or names of classes.
    weighers : tuple of Transfer
        Transfers that compute weights of the source rows.
    source_head : SourceHead or None
        Shrinks the head towards that of the source.
    pretraining : tuple of Transfer
        Transfers that change the encoder before all others.
    """

    main: Any
    others: tuple[Transfer, ...] = ()
    meaning: LabelMeaning | None = None
    edits: WordEdits | None = None
    selftraining: SelfTraining | CoTraining | None = None
    source: SourceRows | None = None
    weighers: tuple[Transfer, ...] = ()
    source_head: SourceHead | None = None
    pretraining: tuple[Transfer, ...] = ()

    @cached_property
    def tunes(self) -> bool:
        """True if weights of the encoder are trained."""
        return bool(self.main.trains_encoder)

    @cached_property
    def refits_head(self) -> bool:
        """True if the head is fitted after the encoder was trained, instead of together with it."""
        return any(transfer.refits_head for transfer in self)

    @cached_property
    def every(self) -> tuple[Transfer, ...]:
        """All transfers, those that add or weigh rows or come first included."""
        rows: tuple[Transfer | None, ...] = (self.meaning, self.edits, self.selftraining)
        rows = (*rows, self.source, self.source_head, *self.weighers)
        return (*self, *self.pretraining, *(transfer for transfer in rows if transfer is not None))

    @cached_property
    def needs(self) -> frozenset[str]:
        """Arguments of ``fit`` that any of the transfers needs."""
        return frozenset().union(*(transfer.needs for transfer in self.every))

    @cached_property
    def uses(self) -> frozenset[str]:
        """Arguments of ``fit`` that any of the transfers needs or accepts."""
        return self.needs.union(*(transfer.accepts for transfer in self.every))

    @cached_property
    def compare_domains(self) -> bool:
        """True if any of the transfers compares the source with the target."""
        return any(transfer.compares_domains for transfer in self.every)

    @property
    def source_rows(self) -> SourceRows | None:
        """Setting of the source rows next to labelled target rows; None if they are not added."""
        if self.source_head is not None:
            return SourceRows(weight=1.0)
        adds_source = self.compare_domains or tune_first(self)
        return self.source or (SourceRows() if adds_source else None)

    @property
    def shares_head(self) -> bool:
        """True if the head shares a part of its weights with a head of the source."""
        return self.source_head is not None or self.has_private_parts

    @property
    def has_private_parts(self) -> bool:
        """True if the head has additional weights for the target and for the source."""
        return self.source is not None and self.source.private

    @property
    def weighs_on_features(self) -> bool:
        """True if weights of the source rows depend on frozen features."""
        source = self.source_rows
        return bool(self.weighers) or (source is not None and source.chooses_share)

    @cached_property
    def aligners(self) -> tuple[Transfer, ...]:
        """Transfers that move frozen features of the source; none if the encoder is tuned."""
        if self.tunes:
            return ()
        return tuple(transfer for transfer in self.others if transfer.aligns_source)

    def names_needing(self, need: str) -> str:
        """Return the names of the transfers that need an argument of ``fit``."""
        parts = [transfer for transfer in self.every if need in transfer.needs]
        return " with ".join(f"{type(part).__name__}()" for part in parts)

    def __iter__(self) -> Iterator[Transfer]:
        return iter((self.main, *self.others))


def train_source_heads(transfers: Transfers) -> bool:
    """Return True if each source has a head of its own in training, with labels of its own."""
    return any(transfer.trains_source_head for transfer in transfers)


def tune_first(transfers: Transfers) -> bool:
    """Return True if the encoder is tuned on labelled rows before the others use it frozen."""
    return any(isinstance(transfer, FineTuneFirst) for transfer in transfers.pretraining)


def read_sources(transfers: Transfers) -> bool:
    """Return True if a transfer reads the texts of the source in training."""
    return any("source" in transfer.needs for transfer in transfers)


def as_transfers(transfer: object, *, translations: bool = False) -> Transfers:
    """Read the parameter ``transfer``: None, one transfer or a list.

    If no transfer chooses which weights are trained, one that acts on weights trains them all.

    Parameters
    ----------
    transfer : Transfer, list of Transfer or None
    translations : bool
        True if the training data are sentences with their translations.

    Raises
    ------
    ConfigError
        If a value is not a transfer, or two transfers contradict each other.
    """
    several: list[Any] = list(transfer) if isinstance(transfer, list | tuple) else [transfer]
    chosen = [part for part in several if part is not None]
    for part in chosen:
        _check(part, translations=translations)
    leading = [part for part in chosen if part.chooses_weights or isinstance(part, Frozen)]
    weighers = tuple(part for part in chosen if part.weighs_source)
    first = tuple(part for part in chosen if part.runs_first)
    not_bound = (*leading, *weighers, *first)
    others = tuple(p for p in chosen if not p.adds_rows and p not in not_bound)
    main = _main(leading, others)
    meaning, edits = _only(LabelMeaning, chosen), _only(WordEdits, chosen)
    selftraining, source = _self_training(chosen), _only(SourceRows, chosen)
    head = _only(SourceHead, chosen)
    transfers = Transfers(main, others, meaning, edits, selftraining, source, weighers, head, first)
    _check_heads(transfers)
    _check_together(transfers)
    joined = edits or selftraining
    if joined is not None and transfers.tunes and not transfers.refits_head:
        raise ConfigError(
            f"{type(joined).__name__}() cannot be combined with {type(main).__name__}() alone. "
            "Add Contrastive(), or leave the encoder frozen."
        )
    return transfers


def _check(transfer: object, *, translations: bool) -> None:
    """Check that a value is a transfer that can be used with the data."""
    if not isinstance(transfer, Transfer):
        raise ConfigError(
            f"transfer must be a transfer such as Frozen(), got {transfer!r}. "
            "Pass one or a list of them."
        )
    if translations and transfer.compares_domains:
        raise ConfigError(
            f"{type(transfer).__name__}() compares a source with a target, but translations have "
            "no domains. Leave it out."
        )
    if isinstance(transfer, LanguageDistillation) and not translations:
        raise ConfigError(
            "LanguageDistillation() is trained on translations, not on labels. Pass pairs to "
            "LanguageStudent(encoder).fit(pairs), and its encoder_ to the model."
        )


def _check_together(transfers: Transfers) -> None:
    """Check that no transfer is passed twice, and that a loss on class scores finds some."""
    kinds = [type(transfer) for transfer in transfers.every if not transfer.runs_first]
    if len(set(map(type, transfers.weighers))) > 1:
        names = " and ".join(f"{type(transfer).__name__}()" for transfer in transfers.weighers)
        raise ConfigError(f"{names} both weigh the source rows. Pass one of them.")
    _check_first(transfers)
    if transfers.edits is not None and transfers.compare_domains:
        compares = next(t for t in transfers.every if t.compares_domains)
        raise ConfigError(
            f"{type(compares).__name__}() compares texts of two domains, but WordEdits() changes "
            "texts. Leave one of them out."
        )
    for transfer in transfers.every:
        name = type(transfer).__name__
        if kinds.count(type(transfer)) > 1:
            raise ConfigError(
                f"{name}() is passed {kinds.count(type(transfer))} times. Pass it once."
            )
        if transfer.needs_head and transfers.refits_head:
            raise ConfigError(
                f"{name}() reads class scores in training, but {_refitting(transfers)}() fits the "
                "head after the training. Leave one of them out."
            )


def _check_first(transfers: Transfers) -> None:
    """Check that nothing trains the encoder after ``FineTuneFirst``."""
    number = next(
        (i for i, t in enumerate(transfers.pretraining) if isinstance(t, FineTuneFirst)), None
    )
    if number is None:
        return
    later = transfers.pretraining[number + 1 :]
    if transfers.tunes:
        later = (*later, *transfers.others, transfers.main)
    if later:
        raise ConfigError(
            f"FineTuneFirst() tunes the encoder, and {type(later[0]).__name__}() would train it "
            "again. Leave one of them out, or pass FineTuneFirst() after ContinuedPretraining()."
        )


def _refitting(transfers: Transfers) -> str:
    """Return the name of the transfer that fits the head after the training."""
    return next(type(transfer).__name__ for transfer in transfers if transfer.refits_head)


def _main(leading: list[Transfer], others: tuple[Transfer, ...]) -> Any:
    """Return the transfer that decides which weights are trained."""
    if len(leading) > 1:
        names = " and ".join(f"{type(transfer).__name__}()" for transfer in leading)
        raise ConfigError(f"{names} contradict each other. Pass one of them.")
    bound = [transfer for transfer in others if not transfer.aligns_source]
    if not leading:
        leading = [FullFineTune() if bound else Frozen()]
    if leading[0].chooses_weights:
        for transfer in others:
            _check_tunable(transfer, leading[0])
    elif bound:
        raise ConfigError(
            f"{type(bound[0]).__name__}() acts on weights that are trained, but "
            f"{type(leading[0]).__name__}() trains none. Combine it with FullFineTune()."
        )
    return leading[0]


def _self_training(chosen: list[Transfer]) -> SelfTraining | CoTraining | None:
    """Return the transfer that labels unlabelled texts, or None."""
    alone, together = _only(SelfTraining, chosen), _only(CoTraining, chosen)
    if alone is not None and together is not None:
        raise ConfigError(
            "SelfTraining() and CoTraining() both label the unlabelled texts. Pass one of them."
        )
    return alone or together


def _check_heads(transfers: Transfers) -> None:
    """Check that the transfers that act on the weights of a linear head can be used."""
    if transfers.source_head is not None and transfers.source is not None:
        raise ConfigError(
            "SourceHead() and SourceRows() use the source in two ways that contradict each other. "
            "Pass one of them."
        )
    joint = [t for t in transfers.every if t.compares_domains or t.weighs_source]
    joint += [t for t in (transfers.source, transfers.source_head) if t is not None]
    if joint and train_source_heads(transfers):
        raise ConfigError(
            f"SourceTask() trains the source with labels of its own, {type(joint[0]).__name__}() "
            "with those of the target. Leave one of them out."
        )
    if isinstance(transfers.selftraining, CoTraining) and transfers.meaning is not None:
        raise ConfigError(
            "CoTraining() needs labels, but LabelMeaning() has names. Use one of them."
        )
    name = "SourceHead()" if transfers.source_head is not None else "SourceRows(private=True)"
    if transfers.shares_head and isinstance(transfers.selftraining, CoTraining):
        raise ConfigError(f"{name} and CoTraining() fit the head in two ways. Pass one of them.")
    if transfers.shares_head and transfers.tunes:
        raise ConfigError(
            f"{name} needs a frozen encoder, got {type(transfers.main).__name__}(). Use Frozen() "
            "with it, or SourceRows()."
        )


def _check_tunable(transfer: Transfer, main: Transfer) -> None:
    """Check that a transfer takes part in the training of an encoder."""
    if transfer.aligns_source and not transfer.trains_encoder:
        raise ConfigError(
            f"{type(transfer).__name__}() moves frozen features, but {type(main).__name__}() "
            "trains the encoder. Use CORAL() with it, or Frozen()."
        )


def _only(kind: type[Kind], chosen: list[Transfer]) -> Kind | None:
    """Return the one transfer of a kind, or None."""
    matching = [transfer for transfer in chosen if isinstance(transfer, kind)]
    if len(matching) > 1:
        raise ConfigError(f"{kind.__name__}() is passed {len(matching)} times. Pass it once.")
    return matching[0] if matching else None
