"""Tuning of the encoder on the labelled rows, before the other transfers use it frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_inputs import HeadInputs
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import as_transfers
from nlptl.fitting.tuned_stage import tuned
from nlptl.heads.calibration.decision import spread_of
from nlptl.training.config import in_subfolder
from nlptl.training.history import History
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.parameters import FineTuneFirst, FullFineTune, LoRA

_ROWS_TO_CALIBRATE = 256
"""Rows on which the spread of two heads is compared."""


@dataclass(frozen=True, eq=False)
class TunedFirst:
    """Result of the tuning.

    Attributes
    ----------
    features : TextFeatures
        Features of the tuned encoder.
    head : FittedHead
        Head that was trained together with the encoder. It is calibrated on held-out rows.
    history : History or None
    """

    features: TextFeatures
    head: FittedHead
    history: History | None

    @property
    def encoder(self) -> TransformerEncoder:
        """The encoder, with the pooling that its head was trained on."""
        encoder: TransformerEncoder = self.features.encoder
        weights: Any = encoder.weights
        merged = replace(weights, adapter=None, base=None)
        return encoder.with_weights(merged, pooling=encoder.reader.pooling)

    def calibrated(self, head: FittedHead, inputs: HeadInputs) -> FittedHead:
        """Return a new head with a temperature that gives it the confidence of the trained head.

        The new head cannot be calibrated by cross-validation: the encoder was tuned on all of its
        rows. Both heads are compared on unlabelled rows, or else on the labelled rows.
        """
        if inputs.targets.numeric:
            return head
        rows, X = inputs.data.all_rows[0], inputs.X
        if inputs.unlabeled is not None and len(inputs.data.unlabeled):
            rows, X = inputs.data.unlabeled, inputs.unlabeled
        some = np.sort(np.random.default_rng(0).permutation(len(rows))[:_ROWS_TO_CALIBRATE])
        reference = self.head.logits(self.features.transform(rows.take(some)))
        several = inputs.targets.several
        new, old = (spread_of(part, several=several) for part in (head.logits(X[some]), reference))
        temperature = max(self.head.decision.temperature * new / old, 1e-6)
        decision = replace(head.decision, temperature=temperature)
        if several:
            decision = replace(decision, thresholds=self.head.decision.thresholds)
        return replace(head, decision=decision)


def tuned_first(
    transfer: FineTuneFirst,
    plan: FitPlan,
    data: TrainingData,
    encoder: TransformerEncoder,
    *,
    folder: str,
) -> TunedFirst:
    """Tune an encoder together with a head on the labelled rows.

    Parameters
    ----------
    transfer : FineTuneFirst
    plan : FitPlan
    data : TrainingData
        Its rows have their final weights.
    encoder : TransformerEncoder
        The encoder to tune.
    folder : str
        Name of the folder for the checkpoints of this stage.

    Raises
    ------
    ConfigError
        If a class has no labelled rows, or a treatment of rare classes cannot be used.
    """
    targets = data.all_rows[1]
    has_classes = not (targets.numeric or targets.several)
    if not len(data.rows) or (has_classes and not targets.counts.all()):
        raise ConfigError(
            "FineTuneFirst() needs labelled rows of every class, but LabelMeaning() names classes "
            "without rows. Leave one of them out."
        )
    # The head is fitted after the tuning. Its errors are raised before.
    plan.imbalance_of(data.targets, solver=True, trains_head=False)
    stage = replace(
        plan,
        encoder=encoder,
        transfers=as_transfers(LoRA() if transfer.adapter else FullFineTune()),
        head=None,
        training=None if plan.training is None else in_subfolder(plan.training, folder),
        pair_encoding="joint" if plan.reads_jointly else "separate",
    )
    rows = replace(data, names=None, unlabeled=Rows([]), source={}, validation=None)
    inputs, head, history = tuned(stage, _without_copies(rows))
    return TunedFirst(inputs.features, head, history)


def _without_copies(data: TrainingData) -> TrainingData:
    """Return the data without edited copies, whose originals may be held out."""
    if data.extra is None:
        return data
    rows, targets = data.extra
    source = np.flatnonzero(targets.domain_numbers > 0)
    extra = (rows.take(source), targets.take(source)) if len(source) else None
    return replace(data, extra=extra)
