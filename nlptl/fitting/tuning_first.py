"""Tuning of the encoder on the labelled rows, before the other transfers use it frozen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import as_transfers
from nlptl.fitting.tuned_stage import tuned
from nlptl.training.config import TrainingConfig
from nlptl.training.loop import History
from nlptl.transfer.parameters import FineTuneFirst, FullFineTune, LoRA


def tuned_first(
    transfer: FineTuneFirst,
    plan: FitPlan,
    data: TrainingData,
    encoder: TransformerEncoder,
    *,
    folder: str,
) -> tuple[TransformerEncoder, History | None]:
    """Tune an encoder together with a head on the labelled rows, and throw the head away.

    Parameters
    ----------
    transfer : FineTuneFirst
    plan : FitPlan
        Its treatment of the source rows is used.
    data : TrainingData
    encoder : TransformerEncoder
        The encoder to tune.
    folder : str
        Name of the folder for the checkpoints of this stage.

    Returns
    -------
    encoder, history
        The encoder returns the features that its head was trained on.

    Raises
    ------
    ConfigError
        If there are no labelled rows.
    """
    if not len(data.rows):
        raise ConfigError("FineTuneFirst() needs labelled texts, got class names. Leave it out.")
    main = LoRA() if transfer.adapter else FullFineTune()
    source = plan.transfers.source_rows
    transfers = as_transfers([main, *([] if source is None else [replace(source, private=False)])])
    pair_encoding = "joint" if plan.reads_jointly else "separate"
    stage = replace(
        plan,
        encoder=encoder,
        transfers=transfers,
        head=None,
        training=_training(plan.training, folder),
        pair_encoding=pair_encoding,
    )
    rows = replace(data, names=None, unlabeled=Rows([]), validation=None)
    inputs, _, history = tuned(stage, rows)
    new: Any = inputs.features.encoder
    if new.weights.adapter is not None:
        new = replace(new, weights=replace(new.weights, adapter=None, base=None))
    return new, history


def _training(training: TrainingConfig | None, folder: str) -> TrainingConfig | None:
    """Return the settings with a folder for the checkpoints of this stage."""
    if training is None or training.checkpoints is None:
        return training
    return replace(training, checkpoints=str(Path(training.checkpoints) / folder))
