"""Train an encoder, either together with the head or before the head is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import SourceTexts
from nlptl.fitting.contrastive_stage import contrast, contrast_config
from nlptl.fitting.domain_diagnosis import with_domain_shift
from nlptl.fitting.finetuning import TUNING, FineTuner
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.frozen_stage import fit_head
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.head_inputs import HeadInputs, head_inputs
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.source_tasks import source_tasks
from nlptl.fitting.training_data import TrainingData
from nlptl.fitting.transfer_checks import check_batches
from nlptl.fitting.transfers import read_sources
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.fitting.tuning_start import frozen_start
from nlptl.training.history import History
from nlptl.transfer.features.frozen import TextFeatures


def tuned(plan: FitPlan, data: TrainingData) -> tuple[HeadInputs, FittedHead, History | None]:
    """Train the encoder of a plan.

    Returns
    -------
    inputs, head, history
        Features of the trained encoder for all rows, the fitted head, and the history of the
        training. The history is None if there was nothing to train on.
    """
    rows, targets, transfers = data.rows, data.targets, plan.transfers
    start = frozen_start(transfers, plan.encoder, rows, targets, joint=plan.reads_jointly)
    if transfers.refits_head and len(rows):
        return _tuned_before_head(plan, data, start)
    inputs = head_inputs(plan, data, start)
    first = fit_head(plan, inputs)
    if not len(rows):  # there are only class names
        _check_no_source(data)
        return inputs, first, None
    data = inputs.data
    config = plan.config(TUNING)
    check_batches(transfers, config)
    imbalance = plan.imbalance_of(targets, solver=first.recipe is None, trains_head=True)
    training = TrainingPlan(config, imbalance, plan.seed, plan.device)
    tuner = FineTuner(TunedEncoder(transfers, start, training, *_streams(plan, data)))
    features, head = tuner.fit(
        first, rows, data.targets, validation=data.validation, extra=data.extra
    )
    history = _diagnosed(plan, data, head.history, (start, first), (features, head))
    return replace(inputs, features=features), replace(head, history=history), history


def _tuned_before_head(
    plan: FitPlan, data: TrainingData, start: TextFeatures
) -> tuple[HeadInputs, FittedHead, History | None]:
    """Train the encoder with a contrastive loss, then fit the head to its features."""
    targets, transfers = data.targets, plan.transfers
    plan.imbalance_of(targets, solver=True, trains_head=False)  # raises errors before training
    source_weights = None
    if transfers.weighs_on_features:
        weighed = head_inputs(plan, data, start)
        data, source_weights = weighed.data, weighed.source_weights
    rows, rows_targets = data.with_names
    config = plan.config(contrast_config(transfers, len(rows), targets.n_outputs))
    check_batches(transfers, config)
    training = TrainingPlan(config, None, plan.seed, plan.device)
    body = TunedEncoder(transfers, start, training, *_streams(plan, data))
    features, history = contrast(body, rows, rows_targets)
    inputs = head_inputs(plan, data, features, weigh=False)
    inputs = replace(inputs, source_weights=source_weights)
    head = fit_head(plan, inputs, unseen=features is start)
    history = _diagnosed(plan, data, history, (start, None), (features, head))
    if head.history is not None and history is not None:  # a network has a history of its own
        head = replace(head, history=replace(head.history, domains=history.domains))
    return inputs, head, history


def _check_no_source(data: TrainingData) -> None:
    """Check that there are no rows of a source, which a fit to class names would not use."""
    if data.extra is not None:
        raise ConfigError(
            "LabelMeaning() without labelled texts trains no encoder, but fit received a source. "
            "Leave LabelMeaning() out, or use Frozen()."
        )


def _diagnosed(
    plan: FitPlan,
    data: TrainingData,
    history: History | None,
    before: tuple[TextFeatures, FittedHead | None],
    after: tuple[TextFeatures, FittedHead],
) -> History | None:
    """Return the history with the difference of the domains, if a loss compared them."""
    compares = any(transfer.compares_domains for transfer in plan.transfers)
    if history is None or not compares:
        return history
    return with_domain_shift(history, data, before, after, seed=plan.seed)


def _streams(plan: FitPlan, data: TrainingData) -> tuple[Sequence[Any], Sequence[SourceTexts]]:
    """Return the unlabelled texts and the sources, for the transfers that need them in training."""
    needs = frozenset().union(*(transfer.needs for transfer in plan.transfers))
    unlabeled = data.unlabeled.texts if "unlabeled" in needs else ()
    return unlabeled, source_tasks(data) if read_sources(plan.transfers) else ()
