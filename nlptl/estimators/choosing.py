"""What a fit is made of, read off what the user gave and what the data are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.protocols import Features, ModuleFusion, ModuleHead, SolverHead
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.heads.blend import BlendHead
from nlptl.heads.linear import LogisticHead


def check_head(head: Any) -> None:
    """Refuse what can be no head."""
    known = head is None or isinstance(head, SolverHead | ModuleHead) or hasattr(head, "fit")
    if not known or isinstance(head, type):
        raise ConfigError(f"head must be a head such as LogisticHead(), got {head!r}.")


def default_head(
    head: Any, encoder: Any, features: Features, targets: Targets, *, seed: int
) -> Any:
    """Give the head asked for, or the one that suits the data where none was."""
    if head is not None:
        return head
    # A discriminant needs dense features, one label a text, and no fusion trained with it.
    alone = targets.several or issparse(features) or fusion_of(encoder) is not None
    return LogisticHead(seed=seed) if alone else BlendHead(seed=seed)


def fusion_of(encoder: Any) -> ModuleFusion | None:
    """Give the fusion that an encoder wants trained with the head, if there is one."""
    fusion = getattr(encoder, "fusion", None)
    return fusion if isinstance(fusion, ModuleFusion) else None


def is_solver(head: Any, encoder: Any) -> bool:
    """Decide between solving and training, and refuse what can do neither."""
    if fusion_of(encoder) is None:
        return hasattr(head, "fit")
    if not isinstance(head, ModuleHead):
        raise ConfigError(
            f"{type(encoder.fusion).__name__} is trained together with the head, which "
            f"{type(head).__name__} does not allow. Use LogisticHead or MLPHead."
        )
    return False


def token_lengths(encoder: Any, rows: Rows) -> dict[str, Any]:
    """Count tokens where the encoder has a window."""
    if not isinstance(encoder, TransformerEncoder):
        return {}
    sides: Sequence[Rows] = [rows.side(0), rows.side(1)] if rows.are_pairs else [rows]
    counts = np.maximum.reduce([encoder.count_tokens([str(t) for t in s.texts]) for s in sides])
    return {"token_counts": counts, "window": encoder.window}


def targets_of(codec: LabelCodec, labels: Any, sample_weight: Any, rows: Rows) -> Targets:
    """Join labels and weights, and check that there is one of each for every row."""
    codes = codec.encode(labels)
    if len(codes) != len(rows):
        raise InputError(
            f"Each text needs one label, got {len(rows)} texts and {len(codes)} labels."
        )
    if sample_weight is None:
        return Targets(codes, len(codec.classes))
    weights: FloatArray = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (len(rows),) or not np.isfinite(weights).all() or (weights < 0).any():
        raise InputError(
            f"sample_weight must hold {len(rows)} numbers of 0 or more, got an array of shape "
            f"{weights.shape}."
        )
    return Targets(codes, len(codec.classes), weights)


def dense(features: Features) -> FloatArray:
    """Give features that a network can be trained on."""
    if issparse(features):
        raise ConfigError(
            f"A network cannot be trained on {features.shape[1]} word counts. "
            "Use LogisticHead with TfidfEncoder."
        )
    return features
