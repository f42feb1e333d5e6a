"""Fit a head to the features of an encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nlptl.base.protocols import Features
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.class_names import with_meaning, with_vectors
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_choice import default_head, dense, fusion_of, is_solver, suited
from nlptl.fitting.head_fit import TrainingPlan, fit_network_scorer, fit_solver_scorer
from nlptl.fitting.head_inputs import HeadInputs, head_inputs
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.source_heads import fit_towards_source, fit_with_private_parts
from nlptl.fitting.training_data import TrainingData
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead
from nlptl.heads.solver_fit import undecided, weigh_rows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.feature_network import NetworkRecipe
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.instances import CoTraining

HEAD_TRAINING = LoopConfig()
"""Defaults of the settings that ``TrainingConfig`` leaves open, for a head on frozen features."""


def frozen_features(plan: FitPlan, data: TrainingData) -> TextFeatures:
    """Fit the encoder to the texts, if it can be fitted, and choose the weights of its layers."""
    texts = data.unlabeled
    if plan.transfers.source_rows is not None and data.extra is not None:
        texts = _joined(texts, data.extra[0])
    features: TextFeatures = plan.transfers.main.learn(
        plan.encoder, data.rows, data.targets, further=texts, joint=plan.reads_jointly
    )
    return features


def fit_head(plan: FitPlan, inputs: HeadInputs, *, unseen: bool = True) -> FittedHead:
    """Fit the head to the features of all labelled and extra rows.

    Parameters
    ----------
    plan : FitPlan
    inputs : HeadInputs
        Features and targets of the rows.
    unseen : bool
        True if the features do not depend on the labels.
    """
    data, X, features = inputs.data, inputs.X, inputs.features
    rows, targets = data.all_rows
    unseen = unseen and data.extra is None
    tunes = plan.transfers.tunes
    head = _head(plan, data, X, unseen=unseen)
    solver = is_solver(head, plan.encoder)
    trains_head = tunes and not plan.transfers.refits_head
    imbalance = plan.imbalance_of(targets, solver=solver, trains_head=trains_head)
    training = TrainingPlan(plan.config(HEAD_TRAINING), imbalance, plan.seed, plan.device, unseen)
    if solver and plan.transfers.shares_head:
        fitted = _fit_shared(plan, head, X, weigh_rows(targets, imbalance))
        return FittedHead(head, fitted, undecided(targets, imbalance))
    if solver:
        ready = with_vectors(suited(head, X, data.codec), data, features)
        return replace(fit_solver_scorer(ready, X, targets, training), head=head)
    recipe = NetworkRecipe(head, fusion_of(plan.encoder), features.groups(rows), targets.n_outputs)
    return fit_network_scorer(recipe, dense(X), targets, training)


def _fit_shared(plan: FitPlan, head: Any, X: Features, targets: Targets) -> LogisticHead:
    """Fit a head that shares a part of its weights with a head of the source."""
    spec = plan.transfers.source_head
    if spec is None:
        return fit_with_private_parts(head, X, targets)
    return fit_towards_source(spec, head, X, targets, seed=plan.seed)


def fit_first_head(plan: FitPlan, data: TrainingData, features: TextFeatures) -> FittedHead:
    """Fit a head to the features that training starts from."""
    return fit_head(plan, head_inputs(plan, data, features))


def _head(plan: FitPlan, data: TrainingData, X: Features, *, unseen: bool) -> Any:
    """Return the head of the plan, or the default head for the data."""
    meaning, base = plan.transfers.meaning, plan.head
    if base is None and not unseen and not data.targets.numeric:
        base = LogisticHead(C=DEFAULT_C)  # no rows are left to choose the regularisation with
    co_trains = isinstance(plan.transfers.selftraining, CoTraining)
    if base is None and (co_trains or plan.transfers.shares_head):
        base = LogisticHead(seed=plan.seed)
    if meaning is not None:
        return with_meaning(base, meaning, unseen=unseen)
    return default_head(base, plan.encoder, X, data.targets, seed=plan.seed)


def _joined(first: Rows, second: Rows) -> Rows:
    """Join rows; those of different kinds as single texts."""
    if not len(first) or not len(second) or first.are_pairs == second.are_pairs:
        return first.followed_by(second)
    return Rows([text for rows in (first, second) for side in rows.sides for text in side.texts])
