"""Fit a model from a plan and data. There is no other way to train a model."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from nlptl.base.arrays import FloatArray
from nlptl.base.progress import log_stage
from nlptl.fitting.class_names import with_entailment
from nlptl.fitting.co_training import co_trained
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.frozen_stage import fit_head, frozen_features
from nlptl.fitting.head_inputs import head_inputs
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.pretraining_stage import pretrained, with_pretraining
from nlptl.fitting.self_training import self_trained
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfers import tune_first
from nlptl.fitting.tuned_stage import tuned
from nlptl.transfer.instances import SelfTraining

logger = logging.getLogger(__name__)


def fit(plan: FitPlan, data: TrainingData) -> FittedModel:
    """Fit a model.

    Parameters
    ----------
    plan : FitPlan
        Settings of the fit.
    data : TrainingData
        Training data, from ``read_data``.

    Raises
    ------
    ConfigError
        If the data do not match the plan.
    """
    data, source_weights = _weighed_first(plan, data)
    if plan.transfers.pretraining:
        log_stage(logger, "Training the encoder before the other transfers")
    plan, first = pretrained(plan, data)
    plan = with_entailment(plan, data)
    fitted_head = partial(fit_head, plan, unseen=first.tuned is None)
    if plan.transfers.tunes:
        log_stage(logger, "Tuning the encoder on %d rows and fitting the head", len(data.rows))
        inputs, head, history = tuned(plan, data)
    else:
        log_stage(logger, "Encoding %d texts", len(data.all_rows[0]))
        inputs = head_inputs(plan, data, frozen_features(plan, data), weigh=first.tuned is None)
        log_stage(logger, "Fitting the head and calibrating it")
        head, history = fitted_head(inputs), None
    if first.tuned is not None:
        inputs = replace(inputs, source_weights=source_weights)
        head = first.tuned.calibrated(head, inputs)
    labelling = plan.transfers.selftraining
    if labelling is not None:
        log_stage(logger, "Labelling %d unlabelled texts", len(data.unlabeled))
        imbalance = plan.imbalance_of(data.targets, solver=True, trains_head=False)
        if isinstance(labelling, SelfTraining):
            head = self_trained(labelling, inputs, head, fitted_head, imbalance=imbalance)
        else:
            is_tuned = first.tuned is not None
            head = co_trained(labelling, inputs, head, tuned=is_tuned, imbalance=imbalance)
    history = with_pretraining(head.history or history, first.history)
    return FittedModel(
        data.codec, inputs.features, head, data.probe, history, inputs.weights_report
    )


def _weighed_first(plan: FitPlan, data: TrainingData) -> tuple[TrainingData, FloatArray | None]:
    """Weigh the source rows on the untuned encoder, if it is tuned on all rows before the head.

    Returns
    -------
    data, factors
        The factors are those of the source rows; None if the rows have their weights already.
    """
    if not (tune_first(plan.transfers) and plan.transfers.weighs_on_features):
        return data, None
    weighed = head_inputs(plan, data, frozen_features(plan, data))
    return weighed.data, weighed.source_weights
