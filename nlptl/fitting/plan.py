"""The plan of a fit: everything that it is made with, resolved and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.protocols import opened
from nlptl.base.suggestions import suggest
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.heads.calibration.imbalance import (
    FocalLoss,
    Imbalance,
    LogitAdjustment,
    as_imbalance,
)
from nlptl.training.config import LoopConfig, TrainingConfig

_LONG_TEXTS = ("windows", "cut")
_PAIR_ENCODINGS = ("auto", "separate", "joint")


@dataclass(frozen=True)
class FitPlan:
    """Everything that a fit is made with, apart from its data.

    Attributes
    ----------
    encoder : Encoder
        The specification; it follows ``device`` and ``long_texts`` already.
    transfers : Transfers
    head : head or None
        None takes the head that suits the data.
    training : TrainingConfig or None
        Settings of the user.
    imbalance : str or None
        Treatment of rare classes.
    pair_encoding : {"auto", "separate", "joint"}
    seed : int
    device : str or None
    numeric : bool
        True if numbers are predicted instead of classes.
    is_chosen : bool
        True if ``Auto`` chose the transfers, which has tried whether unlabelled rows help.
    """

    encoder: Any
    transfers: Transfers
    head: Any = None
    training: TrainingConfig | None = None
    imbalance: str | None = None
    pair_encoding: str = "auto"
    seed: int = 0
    device: str | None = None
    numeric: bool = False
    is_chosen: bool = False

    @classmethod
    def resolve(
        cls, *, encoder: Any, transfer: Any, long_texts: str = "windows", **options: Any
    ) -> FitPlan:
        """Build a plan from the parameters of an estimator.

        Parameters
        ----------
        encoder : str, Path, encoder or None
        transfer : transfer, list of transfers or None
        long_texts : {"windows", "cut"}
        **options
            The other fields.

        Raises
        ------
        ConfigError
            If a parameter cannot be used, or two contradict each other.
        """
        reader = with_options(
            as_encoder(encoder), device=options.get("device"), long_texts=long_texts
        )
        return cls(opened(reader), as_transfers(transfer), **options)

    @property
    def codec_kind(self) -> type[LabelCodec] | type[NumberScale]:
        """The class that turns answers into codes and back."""
        return NumberScale if self.numeric else LabelCodec

    @property
    def reads_jointly(self) -> bool:
        """True if the two texts of a pair are read as one text."""
        return reads_jointly(self.pair_encoding, self.encoder, tunes=self.transfers.tunes)

    def rows(self, texts: Any) -> Rows:
        """Read texts in any container."""
        return rows_for(self.encoder, texts)

    def config(self, defaults: LoopConfig) -> LoopConfig:
        """Return the settings of training: those of the user, completed by ``defaults``."""
        return defaults if self.training is None else self.training.over(defaults)

    def imbalance_of(
        self, targets: Targets, *, solver: bool, trains_head: bool
    ) -> Imbalance | None:
        """Return the treatment of rare classes.

        Parameters
        ----------
        targets : Targets
        solver : bool
            True if the head fits itself.
        trains_head : bool
            True if the head is trained together with the encoder.
        """
        if self.numeric:
            return None
        return imbalance_for(self.imbalance, targets, solver=solver, tunes=trains_head)


def as_encoder(encoder: Any) -> Any:
    """Return the encoder for what a user passed.

    Raises
    ------
    ConfigError
        If it is neither a name, a folder nor an encoder.
    """
    by_name = encoder is None or isinstance(encoder, str | Path)
    reader = TransformerEncoder(encoder) if by_name else encoder
    if not hasattr(reader, "transform"):
        raise ConfigError(
            f"encoder must be a name, a folder or an encoder, got {type(encoder).__name__}."
        )
    return reader


def rows_for(encoder: Any, texts: Any) -> Rows:
    """Read texts for an encoder; a fused one says which columns of a table are read."""
    return encoder.rows(texts) if isinstance(encoder, FusedEncoder) else as_rows(texts)


def reads_jointly(pair_encoding: str, encoder: Any, *, tunes: bool) -> bool:
    """Tell whether the two texts of a pair are read as one text.

    An encoder made for the meaning of single texts has never seen two in one, and keeps what it
    knows where they are read one by one; one of plain language modelling compares them best in
    its own layers, which takes tuning.

    Raises
    ------
    ConfigError
        If the encoder cannot read as asked for.
    """
    if pair_encoding not in _PAIR_ENCODINGS:
        known = suggest(str(pair_encoding), _PAIR_ENCODINGS)
        raise ConfigError(f"pair_encoding={pair_encoding!r} is not known. {known}")
    transformer = isinstance(encoder, TransformerEncoder)
    if pair_encoding == "joint" and not transformer:
        raise ConfigError(
            f"pair_encoding='joint' is for transformers, and {type(encoder).__name__} reads one "
            "text at a time. Leave it out."
        )
    if pair_encoding != "auto" or not tunes or not transformer:
        return pair_encoding == "joint"
    stock = encoder.chosen_pooling.tokens == "stock"
    return stock or not encoder.folder.made_for_sentences


def with_options(encoder: Any, *, device: str | None, long_texts: str) -> Any:
    """Hand the plain options of a classifier to the transformers in its encoder.

    Raises
    ------
    ConfigError
        If an option makes no sense, or there is nothing that could follow it.
    """
    if long_texts not in _LONG_TEXTS:
        known = suggest(str(long_texts), _LONG_TEXTS)
        raise ConfigError(f"long_texts={long_texts!r} is not known. {known}")
    changes: dict[str, Any] = {} if device is None else {"device": checked_device(device)}
    if long_texts != "windows":
        changes["long_texts"] = long_texts
    changed = _with_changes(encoder, changes)
    if long_texts != "windows" and changed is encoder:
        raise ConfigError(
            f"long_texts={long_texts!r} is for transformers, and {type(encoder).__name__} reads "
            "texts of any length. Leave it out."
        )
    return changed


def checked_device(device: str) -> str:
    """Give the name of a torch device that is there.

    Raises
    ------
    ConfigError
        If it is not.
    """
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).strip().split("\n", 1)[0].split(". ")[0]
        raise ConfigError(f"device={device!r} is not there ({reason}). Try 'cpu'.") from problem
    return device


def _with_changes(encoder: Any, changes: dict[str, Any]) -> Any:
    if not changes:
        return encoder
    if isinstance(encoder, TransformerEncoder):
        return replace(encoder, **changes)
    if isinstance(encoder, FusedEncoder):
        parts = tuple(_with_changes(part, changes) for part in encoder.encoders)
        if any(new is not old for new, old in zip(parts, encoder.encoders, strict=True)):
            return replace(encoder, encoders=parts)
    return encoder


def imbalance_for(
    name: str | None, targets: Targets, *, solver: bool, tunes: bool = False
) -> Imbalance | None:
    """Find the treatment of rare classes, and refuse one that could do nothing here.

    Raises
    ------
    ConfigError
        If it is not known, or does not apply to several labels a text, or to a frozen encoder.
    """
    found = as_imbalance(name)
    if isinstance(found, FocalLoss):
        if tunes:
            return found
        raise ConfigError(
            f"imbalance={name!r} is a loss of training, and the encoder is frozen. Use "
            "FullFineTune() with it, or imbalance='balanced'."
        )
    if found is None or not targets.several:
        return found
    if isinstance(found, LogitAdjustment) or not (solver or tunes):
        where = "" if solver or tunes else " where a network learns on frozen features"
        raise ConfigError(
            f"imbalance={name!r} does nothing for several labels a text{where}: thresholds are "
            "tuned for each label anyway. Leave it out, or use imbalance='balanced' with "
            "LogisticHead() or a tuned encoder."
        )
    return found


def token_lengths(encoder: Any, rows: Rows) -> dict[str, Any]:
    """Count tokens where the encoder has a window."""
    inner = [encoder, *getattr(encoder, "encoders", ())]
    readers = [part for part in inner if isinstance(part, TransformerEncoder)]
    if not readers:
        return {}
    narrowest = min(readers, key=lambda reader: reader.window)
    sides: Sequence[Rows] = [rows.side(0), rows.side(1)] if rows.are_pairs else [rows]
    counts = [narrowest.count_tokens([str(text) for text in side.texts]) for side in sides]
    return {"token_counts": np.maximum.reduce(counts), "window": narrowest.window}
