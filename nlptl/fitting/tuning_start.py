"""Frozen features that the training of an encoder starts from."""

from __future__ import annotations

from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.save_trial import check_saving
from nlptl.encoders.tunable import is_tunable
from nlptl.fitting.transfers import Transfers
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import Frozen, TextFeatures


def frozen_start(
    transfers: Transfers, encoder: Any, rows: Rows, targets: Targets, *, joint: bool
) -> TextFeatures:
    """Return the frozen features to which the head is fitted before tuning.

    Parameters
    ----------
    transfers : Transfers
    encoder : Encoder
    rows : Rows
        Training rows.
    targets : Targets
        Labels of the rows.
    joint : bool
        True to read the two texts of a pair as one text.

    Raises
    ------
    ConfigError
        If the encoder has no weights that can be tuned.
    StorageError
        If the encoder cannot be saved after training.
    """
    check_tunable(type(transfers.main).__name__, encoder)
    empty = rows.take(np.arange(0))
    frozen = Frozen(transfers.main.features)
    return frozen.learn(encoder, rows, targets, further=empty, joint=joint)


def check_tunable(name: str, encoder: Any) -> None:
    """Check that a transfer can train an encoder, and that the result can be saved.

    Parameters
    ----------
    name : str
        Name of the transfer.
    encoder : Encoder

    Raises
    ------
    ConfigError
        If the encoder has no weights that can be tuned.
    StorageError
        If the encoder cannot be saved after training.
    """
    if not is_tunable(encoder):
        raise ConfigError(
            f"{name}() tunes a transformer, got {type(encoder).__name__}. Use Frozen() with it."
        )
    if encoder.folder.sentence.layers_after_pooling or encoder.reader.pooling.dimension is not None:
        raise ConfigError(
            f"{name}() tunes no layer after pooling, but such a layer or a dimension reduces the "
            f"vectors of {encoder.folder.name!r}. Use TransformerEncoder(name, "
            "pooling=Pooling(...)) without a dimension."
        )
    from_main(lambda: check_saving(encoder))
