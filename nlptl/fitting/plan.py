"""What a fit is made of, read off what the user gave and what the data are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.protocols import Features, ModuleFusion, ModuleHead, SolverHead
from nlptl.base.suggestions import suggest
from nlptl.data.corpus import as_corpora
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.numbers import as_weights
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.heads.calibration.imbalance import (
    FocalLoss,
    Imbalance,
    LogitAdjustment,
    as_imbalance,
)
from nlptl.heads.linear import BlendHead, LogisticHead, OrdinalHead, RidgeHead

_LONG_TEXTS = ("windows", "cut")
_PAIR_ENCODINGS = ("auto", "separate", "joint")


def check_head(head: Any, codec: LabelCodec | NumberScale | None = None) -> None:
    """Refuse what can be no head, or none for these labels or numbers."""
    numeric = isinstance(codec, NumberScale)
    known = head is None or isinstance(head, SolverHead | ModuleHead) or hasattr(head, "fit")
    if not known or isinstance(head, type):
        suitable = "RidgeHead()" if numeric else "LogisticHead()"
        raise ConfigError(f"head must be a head such as {suitable}, got {head!r}.")
    if not hasattr(head, "__sklearn_tags__"):
        return
    if numeric and is_classifier(head):
        raise ConfigError(
            f"{type(head).__name__} tells classes apart and predicts no numbers. Use RidgeHead, "
            "MLPHead or a scikit-learn regressor with TextRegressor."
        )
    if not numeric and is_regressor(head):
        raise ConfigError(
            f"{type(head).__name__} predicts numbers and tells no classes apart. Use it with "
            "TextRegressor, or take LogisticHead."
        )
    if isinstance(codec, LabelCodec):
        in_codes(head, codec)


def in_codes(head: Any, codec: LabelCodec) -> Any:
    """Give the head as one for the codes of labels: an order of labels becomes one of codes.

    Raises
    ------
    ConfigError
        If it orders labels of which a text may have several.
    """
    if not isinstance(head, OrdinalHead):
        return head
    if codec.form != "single":
        raise ConfigError(
            f"{type(head).__name__} puts one label a text in order, and here a text may have "
            f"several of {codec.n_outputs}. Use LogisticHead."
        )
    return head.in_codes(codec.classes)


def default_head(
    head: Any, encoder: Any, features: Features, targets: Targets, *, seed: int
) -> Any:
    """Give the head asked for, or the one that suits the data where none was."""
    if head is not None:
        return head
    if targets.numeric:
        return RidgeHead()
    # A discriminant needs dense features, one label a text, and no fusion trained with it.
    alone = targets.several or issparse(features) or fusion_of(encoder) is not None
    return LogisticHead(seed=seed) if alone else BlendHead(seed=seed)


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


def suited(head: Any, features: Features) -> Any:
    """Give the head, unless it cannot read the features.

    Raises
    ------
    ConfigError
        If the features are word counts, and the head needs every number written out.
    """
    if issparse(features) and not get_tags(head).input_tags.sparse:
        raise ConfigError(
            f"{type(head).__name__} cannot be fitted to {features.shape[1]} word counts. "
            "Use LogisticHead with TfidfEncoder."
        )
    return head


def fusion_of(encoder: Any) -> ModuleFusion | None:
    """Give the fusion that an encoder wants trained with the head, if there is one."""
    fusion = getattr(encoder, "fusion", None)
    return fusion if isinstance(fusion, ModuleFusion) else None


def is_solver(head: Any, encoder: Any) -> bool:
    """Decide between solving and training, and refuse what can do neither."""
    if fusion_of(encoder) is None:
        return hasattr(head, "fit")
    if not isinstance(head, ModuleHead) or isinstance(head, OrdinalHead):
        raise ConfigError(
            f"{type(encoder.fusion).__name__} is trained together with the head, which "
            f"{type(head).__name__} does not allow. Use LogisticHead or MLPHead."
        )
    return False


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


def targets_of(
    codec: LabelCodec | NumberScale, labels: Any, sample_weight: Any, rows: Rows
) -> Targets:
    """Join labels (or numbers) and weights, and check that there is one of each for every row."""
    codes = codec.encode(labels)
    if len(codes) != len(rows):
        raise InputError(
            f"Each text needs one label, got {len(rows)} texts and {len(codes)} labels."
        )
    return Targets(codes, codec.n_outputs, as_weights(sample_weight, len(rows)))


def dense(features: Features) -> FloatArray:
    """Give features that a network can be trained on."""
    if issparse(features):
        raise ConfigError(
            f"A network cannot be trained on {features.shape[1]} word counts. "
            "Use LogisticHead with TfidfEncoder."
        )
    return features


def labelled_rows(validation: Any, codec: LabelCodec | NumberScale) -> tuple[Rows, Targets] | None:
    """Read the one labelled corpus that decides how long to train.

    Raises
    ------
    InputError
        If it has no labels, or there are several.
    """
    corpora = list(as_corpora(validation, argument="validation").values())
    if not corpora:
        return None
    if len(corpora) > 1 or corpora[0].labels is None:
        raise InputError(f"validation must be one Corpus with labels, got {corpora}.")
    targets = Targets(codec.encode(corpora[0].labels), codec.n_outputs)
    return corpora[0].rows, targets
