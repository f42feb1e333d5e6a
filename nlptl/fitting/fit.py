"""Fit a model from a plan and data. There is no other way to train a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.base.transfer import SourceTexts
from nlptl.data.corpus import Corpus, read_corpora
from nlptl.fitting.class_names import with_entailment
from nlptl.fitting.contrastive_stage import contrast, contrast_config
from nlptl.fitting.extra_rows import check_unlabeled, check_validation, with_edits
from nlptl.fitting.finetuning import TUNING, FineTuner
from nlptl.fitting.fitted import FittedHead, FittedModel, TrainingPlan
from nlptl.fitting.frozen_stage import fit_head, frozen_features
from nlptl.fitting.head_choice import check_head
from nlptl.fitting.head_inputs import HeadInputs, head_inputs
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.pretraining_stage import pretrained, with_pretraining
from nlptl.fitting.self_training import self_trained
from nlptl.fitting.source_rows import labelled_source, source_texts, with_source
from nlptl.fitting.training_data import (
    TrainingData,
    is_empty,
    labelled_rows,
    read_labelled,
    unlabeled_rows,
)
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.fitting.tuning_start import frozen_start
from nlptl.training.loop import History
from nlptl.transfer.features.frozen import TextFeatures

_CORPORA = ("source", "unlabeled", "validation")


def read_data(
    plan: FitPlan,
    texts: TextsLike,
    answers: LabelsLike,
    *,
    sample_weight: Iterable[float] | None = None,
    **corpora: Corpus | Mapping[str, Corpus] | None,
) -> TrainingData:
    """Read and check the data of a fit.

    Parameters
    ----------
    plan : FitPlan
    texts, answers, sample_weight
        As for ``TextClassifier.fit``.
    **corpora
        ``source``, ``unlabeled`` and ``validation``, as for ``TextClassifier.fit``.

    Raises
    ------
    InputError
        If the data cannot be used.
    ConfigError
        If the data do not match the plan, or nothing uses an argument.
    """
    unknown = set(corpora).difference(_CORPORA)
    if unknown:
        raise TypeError(f"expected {', '.join(_CORPORA)}, got {min(unknown)!r}")
    additional = read_corpora({name: corpora.get(name) for name in _CORPORA})
    check_validation(plan, corpora.get("validation"))
    source = additional["source"]
    if source and is_empty(texts) and plan.transfers.meaning is None:
        data = labelled_source(plan, source)
    else:
        data = read_labelled(plan, texts, answers, sample_weight)
    data = replace(data, unlabeled=unlabeled_rows(additional["unlabeled"]), source=source)
    data = with_edits(with_source(data, plan.transfers), plan)
    check_head(plan.head, data.codec)
    check_unlabeled(plan, data)
    return replace(data, validation=labelled_rows(additional["validation"], data.codec))


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
        inputs, head, history = _tuned(plan, data)
    else:
        inputs, history = head_inputs(plan, data, frozen_features(plan, data)), None
        head = fit_head(plan, inputs)
    if plan.transfers.selftraining is not None:
        head = self_trained(plan.transfers.selftraining, inputs, head, partial(fit_head, plan))
    history = with_pretraining(head.history or history, pretraining)
    return FittedModel(data.codec, inputs.features, head, data.probe, history)


def _tuned(plan: FitPlan, data: TrainingData) -> tuple[HeadInputs, FittedHead, History | None]:
    """Train the encoder, either together with the head or before the head."""
    rows, targets, transfers = data.rows, data.targets, plan.transfers
    start = frozen_start(transfers, plan.encoder, rows, targets, joint=plan.reads_jointly)
    if transfers.refits_head and len(rows):
        return _tuned_before_head(plan, data, start)
    inputs = head_inputs(plan, data, start)
    head = fit_head(plan, inputs)
    if not len(rows):  # only class names, nothing to train the encoder on
        return inputs, head, None
    data = inputs.data
    imbalance = plan.imbalance_of(targets, solver=head.recipe is None, trains_head=True)
    training = TrainingPlan(plan.config(TUNING), imbalance, plan.seed, plan.device)
    tuner = FineTuner(TunedEncoder(transfers, start, training, *_streams(plan, data)))
    features, head = tuner.fit(
        head, rows, data.targets, validation=data.validation, extra=data.extra
    )
    return replace(inputs, features=features), head, None


def _tuned_before_head(
    plan: FitPlan, data: TrainingData, start: TextFeatures
) -> tuple[HeadInputs, FittedHead, History | None]:
    """Train the encoder with a contrastive loss, then fit the head to its features."""
    targets, transfers = data.targets, plan.transfers
    plan.imbalance_of(targets, solver=True, trains_head=False)  # raises errors before training
    if transfers.weighs_on_features:
        data = head_inputs(plan, data, start).data
    config = plan.config(contrast_config(transfers, len(data.rows), targets.n_outputs))
    training = TrainingPlan(config, None, plan.seed, plan.device)
    tuned = TunedEncoder(transfers, start, training, *_streams(plan, data))
    features, history = contrast(tuned, *data.with_names)
    inputs = head_inputs(plan, data, features, weigh=False)
    return inputs, fit_head(plan, inputs, unseen=features is start), history


def _streams(plan: FitPlan, data: TrainingData) -> tuple[Sequence[Any], SourceTexts]:
    """Return the unlabelled texts and the source, for the transfers that need them in training."""
    needs = frozenset().union(*(transfer.needs for transfer in plan.transfers))
    unlabeled = data.unlabeled.texts if "unlabeled" in needs else ()
    if "source" not in needs or not data.source:
        return unlabeled, SourceTexts()
    return unlabeled, source_texts(data)
