"""Choose how much of a change of an encoder is kept, on labelled texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlptl.data.splits import stratified_sample
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.training_data import TrainingData
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.layer_weights import leave_one_out_error

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidate shares of the change; the smallest of equal ones is chosen."""

_MAX_ROWS_TO_CHOOSE_ON = 1_500


def chosen_strength(
    moved: Callable[[float], TransformerEncoder], data: TrainingData, main: Any, *, joint: bool
) -> float:
    """Return the share of a change with the smallest leave-one-out error of a ridge regression.

    Parameters
    ----------
    moved : callable
        Takes a share from 0 to 1; returns the encoder with this share of the change.
    data : TrainingData
        Its labelled rows.
    main : Frozen, or a transfer that chooses the trained weights
        Its layers are the features.
    joint : bool
        True to read the two texts of a pair as one text.
    """
    frozen = main if isinstance(main, Frozen) else Frozen(main.features)
    some = stratified_sample(data.targets.codes, _MAX_ROWS_TO_CHOOSE_ON, seed=0)
    rows, targets = data.rows.take(some), data.targets.take(some)
    empty, errors = data.rows.take(some[:0]), []
    for strength in STRENGTHS:
        features = frozen.learn(moved(strength), rows, targets, further=empty, joint=joint)
        X: Any = features.transform(rows)
        errors.append(leave_one_out_error(X, targets.one_hot))
    return STRENGTHS[int(np.argmin(errors))]
