"""Plan of a fit: all its settings, resolved and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import LongTexts, PairEncoding, TextsLike
from nlptl.base.protocols import Encoder, opened
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import Transfer
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.encoders.tunable import is_tunable
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.heads.calibration.imbalance import (
    FocalLoss,
    Imbalance,
    LogitAdjustment,
    as_imbalance,
)
from nlptl.training.config import LoopConfig, TrainingConfig

_LONG_TEXTS = get_args(LongTexts)
_PAIR_ENCODINGS = get_args(PairEncoding)


@dataclass(frozen=True)
class FitPlan:
    """All settings of a fit, without its data.

    Attributes
    ----------
    encoder : Encoder
        Unfitted encoder, to which ``device`` and ``long_texts`` are already applied.
    transfers : Transfers
    head : head or None
        None uses the default head for the data.
    training : TrainingConfig or None
        Settings that the user passed.
    imbalance : str or None
        Treatment of rare classes.
    pair_encoding : {"auto", "separate", "joint"}
    seed : int
    device : str or None
    numeric : bool
        True if numbers are predicted instead of classes.
    is_chosen : bool
        True if ``Auto`` chose the transfers. It has tested if unlabelled rows help.
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
        cls,
        *,
        encoder: str | Path | Encoder | None,
        transfer: Transfer | Sequence[Transfer] | None,
        long_texts: str = "windows",
        **options: Any,
    ) -> FitPlan:
        """Build a plan from the parameters of an estimator.

        Parameters
        ----------
        encoder : str, Path, encoder or None
        transfer : transfer, list of transfers or None
        long_texts : {"windows", "cut"}
        **options
            Other fields of the plan.

        Raises
        ------
        ConfigError
            If a parameter cannot be used, or two parameters contradict each other.
        """
        seed = options.get("seed", 0)
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ConfigError(
                f"seed must be a whole number of at least 0, got {seed!r}. Pass seed=0."
            )
        reader = with_options(
            as_encoder(encoder), device=options.get("device"), long_texts=long_texts
        )
        return cls(opened(reader), as_transfers(transfer), **options)

    @property
    def codec_kind(self) -> type[LabelCodec] | type[NumberScale]:
        """Class that converts answers to codes and back."""
        return NumberScale if self.numeric else LabelCodec

    @property
    def reads_jointly(self) -> bool:
        """True if the two texts of a pair are read as one text."""
        return reads_jointly(self.pair_encoding, self.encoder, tunes=self.transfers.tunes)

    def with_choice(self, transfer: object) -> FitPlan:
        """Return the plan with a transfer that ``Auto`` chose."""
        return replace(self, transfers=as_transfers(transfer), is_chosen=True)

    def rows(self, texts: TextsLike) -> Rows:
        """Read texts from any supported container."""
        return rows_for(self.encoder, texts)

    def config(self, defaults: LoopConfig) -> LoopConfig:
        """Return the training settings of the user, completed by ``defaults``."""
        return defaults if self.training is None else self.training.over(defaults)

    def imbalance_of(
        self, targets: Targets, *, solver: bool, trains_head: bool
    ) -> Imbalance | None:
        """Return the treatment of rare classes.

        Parameters
        ----------
        targets : Targets
        solver : bool
            True if the head has its own ``fit`` method.
        trains_head : bool
            True if the head is trained together with the encoder.
        """
        if self.numeric:
            return None
        return imbalance_for(self.imbalance, targets, solver=solver, tunes=trains_head)


def as_encoder(encoder: str | Path | Encoder | None) -> Any:
    """Return the encoder for a name, a folder or an encoder.

    Raises
    ------
    ConfigError
        If the value is neither a name, nor a folder, nor an encoder.
    """
    if encoder is None or isinstance(encoder, str | Path):
        return TransformerEncoder(encoder)
    if not hasattr(encoder, "transform"):
        raise ConfigError(
            f"encoder must be a name, a folder or an encoder, got {type(encoder).__name__}. "
            "Leave it out to use the default."
        )
    return encoder


def rows_for(encoder: Encoder, texts: TextsLike) -> Rows:
    """Read texts for an encoder. A fused encoder chooses the columns of a table."""
    return encoder.rows(texts) if isinstance(encoder, FusedEncoder) else as_rows(texts)


def reads_jointly(pair_encoding: str, encoder: Encoder, *, tunes: bool) -> bool:
    """Return True if the two texts of a pair are read as one text.

    ``"auto"`` depends on the encoder. A sentence encoder was pretrained on single texts, so it
    reads the texts of a pair separately. A tuned language model reads them jointly, because its
    layers then compare them best. Without tuning, all encoders read them separately.

    Raises
    ------
    ConfigError
        If ``pair_encoding`` is not known, or the encoder cannot read pairs in this way.
    """
    if pair_encoding not in _PAIR_ENCODINGS:
        suggestion = suggest(str(pair_encoding), _PAIR_ENCODINGS)
        raise ConfigError(f"pair_encoding={pair_encoding!r} is not known. {suggestion}")
    if pair_encoding == "joint" and not is_tunable(encoder):
        raise ConfigError(
            f"pair_encoding='joint' is for transformers, but {type(encoder).__name__} reads one "
            "text at a time. Leave it out."
        )
    if pair_encoding != "auto" or not tunes or not is_tunable(encoder):
        return pair_encoding == "joint"
    stock = encoder.reader.is_stock
    return stock or not encoder.folder.sentence.has_pooling


def with_options(encoder: Encoder, *, device: str | None, long_texts: str) -> Any:
    """Return the encoder with the options applied to the transformers in it.

    Raises
    ------
    ConfigError
        If an option has an invalid value, or ``long_texts="cut"`` has no transformer to apply to.
    """
    if long_texts not in _LONG_TEXTS:
        suggestion = suggest(str(long_texts), _LONG_TEXTS)
        raise ConfigError(f"long_texts={long_texts!r} is not known. {suggestion}")
    changes: dict[str, Any] = {} if device is None else {"device": checked_device(device)}
    if long_texts != "windows":
        changes["long_texts"] = long_texts
    changed = _with_changes(encoder, changes)
    if long_texts != "windows" and changed is encoder:
        raise ConfigError(
            f"long_texts={long_texts!r} is for transformers, but {type(encoder).__name__} reads "
            "texts of any length. Leave it out."
        )
    return changed


def checked_device(device: str) -> str:
    """Return the name of a torch device after checking that it is available.

    Raises
    ------
    ConfigError
        If the device is not available.
    """
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).strip().split("\n", 1)[0].split(". ")[0]
        raise ConfigError(
            f"device={device!r} is not available ({reason}). Use device='cpu'."
        ) from problem
    return device


def _with_changes(encoder: Encoder, changes: dict[str, Any]) -> Any:
    if not changes:
        return encoder
    if is_tunable(encoder):
        return replace(encoder, **changes)
    if isinstance(encoder, FusedEncoder):
        parts = tuple(_with_changes(part, changes) for part in encoder.encoders)
        if any(new is not old for new, old in zip(parts, encoder.encoders, strict=True)):
            return replace(encoder, encoders=parts)
    return encoder


def imbalance_for(
    name: str | None, targets: Targets, *, solver: bool, tunes: bool = False
) -> Imbalance | None:
    """Return the treatment of rare classes after checking that it has an effect.

    Raises
    ------
    ConfigError
        If the treatment is not known, or has no effect with several labels per text or with a
        frozen encoder.
    """
    treatment = as_imbalance(name)
    if isinstance(treatment, FocalLoss):
        if tunes:
            return treatment
        raise ConfigError(
            f"imbalance={name!r} is a training loss, but the encoder is frozen or is trained "
            "without the head. Use FullFineTune() with it, or imbalance='balanced'."
        )
    if treatment is None or not targets.several:
        return treatment
    if isinstance(treatment, LogitAdjustment) or not (solver or tunes):
        where = "" if solver or tunes else " if a network is trained on frozen features"
        raise ConfigError(
            f"imbalance={name!r} does nothing for several labels per text{where}: each label has "
            "a tuned threshold anyway. Leave it out, or use imbalance='balanced' with "
            "LogisticHead() or a tuned encoder."
        )
    return treatment


def token_lengths(encoder: Encoder, rows: Rows) -> dict[str, Any]:
    """Return token counts and window size, or an empty dict if the encoder has no window.

    For pairs, the count is that of the longer text.
    """
    inner = [encoder, *getattr(encoder, "encoders", ())]
    readers = [part.reader for part in inner if is_tunable(part)]
    if not readers:
        return {}
    windows = [reader.window for reader in readers]
    narrowest = readers[int(np.argmin(windows))]
    counts = [narrowest.count_tokens([str(text) for text in side.texts]) for side in rows.sides]
    return {"token_counts": np.maximum.reduce(counts), "window": min(windows)}
