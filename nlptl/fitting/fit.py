"""Fit a model from a plan and data. There is no other way to train a model."""

from __future__ import annotations

from functools import partial

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
    plan, pretraining = pretrained(plan, data)
    plan = with_entailment(plan, data)
    if plan.transfers.tunes:
        inputs, head, history = tuned(plan, data)
    else:
        inputs, history = head_inputs(plan, data, frozen_features(plan, data)), None
        head = fit_head(plan, inputs)
    labelling = plan.transfers.selftraining
    if labelling is not None:
        imbalance = plan.imbalance_of(data.targets, solver=True, trains_head=False)
        if isinstance(labelling, SelfTraining):
            refit = partial(fit_head, plan)
            head = self_trained(labelling, inputs, head, refit, imbalance=imbalance)
        else:
            is_tuned = tune_first(plan.transfers)
            head = co_trained(labelling, inputs, head, tuned=is_tuned, imbalance=imbalance)
    history = with_pretraining(head.history or history, pretraining)
    return FittedModel(
        data.codec, inputs.features, head, data.probe, history, inputs.weights_report
    )
