"""Variants of each task (joint, frozen, polished, alone), and the choice between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.estimators.tasks.joint import JointResult
from nlptl.estimators.tasks.prepared import PreparedTask
from nlptl.evaluation.intervals import Figure
from nlptl.evaluation.judge import judge_fitted
from nlptl.evaluation.verdict import KEEP_BEST, KEEP_IF_HELPS, Verdict
from nlptl.fitting.finetuning import FineTuner, is_refitted
from nlptl.fitting.fit import fit
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.training_goals import LESS_IS_BETTER
from nlptl.fitting.transfers import as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import Frozen

JOINT, FROZEN, POLISHED, ALONE = VARIANTS = "joint", "frozen", "polished", "alone"
"""Variants of a task, the cheapest first. Frozen tasks share the encoder before training."""
_POLISH_EPOCHS = 1
_POLISH_RATE = 0.3
_MIN_TIMES_THE_ROWS = 10
"""A small task is outweighed if the others together have this many times its rows."""


def variants_of(
    part: PreparedTask, together: JointResult, *, names: tuple[str, ...] = VARIANTS
) -> dict[str, FittedModel]:
    """Train the requested variants of a task, and return them together with the joint variant.

    ``"frozen"`` fits a head on the encoder before training, and encodes the texts of a pair
    separately. ``"alone"`` starts from the same encoder and trains it on this task only, for the
    number of steps that the joint training used for this task. ``"polished"`` continues from the
    joint encoder on this task only, for one epoch at 0.3 times the learning rate.
    """
    variants = {JOINT: together.fitted[part.name]}
    for variant in names:
        if variant != JOINT:
            variants[variant] = _trained(part, variant, together)
    return variants


def is_outweighed(part: PreparedTask, parts: Mapping[str, PreparedTask]) -> bool:
    """Return True if a task is small and the others have at least ten times its rows."""
    n_rows = len(part.training_data.rows)
    n_other_rows = sum(len(task.training_data.rows) for task in parts.values()) - n_rows
    return is_small(part) and n_other_rows >= _MIN_TIMES_THE_ROWS * n_rows


def is_small(part: PreparedTask) -> bool:
    """Return True if a task has so few rows that it is trained again with its held-out rows."""
    n_rows = len(part.training_data.rows)
    return part.held is not None and is_refitted(part.body.plan.config, n_rows)


def refit_variant(part: PreparedTask, variant: str, together: JointResult) -> FittedModel:
    """Train a variant of a task on all of its rows.

    ``"alone"`` gives the same model as a separate fit of this task.
    """
    if variant == ALONE:
        return _by_itself(part)
    all_rows = (part.training_data.rows, part.training_data.targets)
    return _trained(replace(part, seen=all_rows, held=None), variant, together)


def compare_in_main_process(
    part: PreparedTask,
    variants: Mapping[str, FittedModel],
    *,
    seed: int,
    parts: Mapping[str, PreparedTask] | None = None,
) -> Verdict:
    """Return the ``compare_variants`` result of the main process, in every process.

    If the other tasks in ``parts`` outweigh this task, it is trained alone unless another variant
    helps: on few rows, the best result is often due to chance.
    """
    outweighed = parts is not None and is_outweighed(part, parts)
    keep = KEEP_IF_HELPS if outweighed else KEEP_BEST
    described = from_main(lambda: compare_variants(part, variants, seed=seed, keep=keep).to_json())
    return Verdict.from_json(described)


def compare_variants(
    part: PreparedTask,
    variants: Mapping[str, FittedModel],
    *,
    seed: int,
    keep: str = KEEP_BEST,
) -> Verdict:
    """Compare the variants of a task on its held-out rows, and choose one by the rule ``keep``.

    The last variant is the baseline. Without held-out rows, the first variant is kept.
    """
    metric = str(part.task.metric)
    if part.held is None:
        return Verdict.without_comparison(next(iter(variants)), metric=metric)
    figures = {variant: figure_of(part, fitted) for variant, fitted in variants.items()}
    return judge_fitted(
        figures,
        len(part.held[0]),
        metric=metric,
        lower_is_better=metric in LESS_IS_BETTER,
        keep=keep,
        seed=seed,
    )


def figure_of(part: PreparedTask, fitted: FittedModel) -> Figure:
    """Return a function that computes the metric of a variant on some of the held-out rows."""
    from nlptl.evaluation.metrics import compute_one

    if part.held is None:
        raise ValueError(part.name)
    rows, targets = part.held
    features, metric = fitted.features.transform(rows), str(part.task.metric)
    decision = fitted.scorer.decision
    predictions: AnyArray
    if targets.numeric:
        predictions = fitted.scorer.logits(features)[:, 0]
    else:
        probabilities = fitted.scorer.probabilities(features)
        needs_probabilities = metric in ("log_loss", "calibration_error")
        predictions = probabilities if needs_probabilities else decision.choose(probabilities)

    def figure(indices: IntArray) -> float:
        return float(compute_one(metric, predictions[indices], targets.codes[indices])[metric])

    return figure


def _trained(part: PreparedTask, variant: str, together: JointResult) -> FittedModel:
    return _frozen(part) if variant == FROZEN else _tuned(part, variant, together)


def _by_itself(part: PreparedTask) -> FittedModel:
    """Train a task alone on all of its rows with the settings of the user."""
    training = part.plan.training
    if training is not None and training.checkpoints is not None:
        folder = _with_folder(part.body.plan.config, replace(part, held=None), ALONE).checkpoints
        training = replace(training, checkpoints=folder)
    plan = replace(part.plan, encoder=part.body.encoder, training=training)
    fitted = fit(plan, part.training_data)
    return replace(part.first, features=fitted.features, scorer=fitted.scorer)


def _frozen(part: PreparedTask) -> FittedModel:
    """Fit a head on the encoder before training; encode the texts of a pair separately."""
    plan = replace(
        part.plan,
        encoder=part.body.encoder,
        transfers=as_transfers(Frozen("weighted")),
        pair_encoding="separate",
    )
    rows, targets = part.seen
    fitted = fit(plan, replace(part.training_data, rows=rows, targets=targets))
    return replace(fitted, probe=part.training_data.probe)


def _tuned(part: PreparedTask, variant: str, together: JointResult) -> FittedModel:
    """Train a task alone, from the joint encoder or from the encoder before training."""
    config = part.body.plan.config
    keep = "last" if config.keep == "auto" or part.held is None else config.keep
    if variant == POLISHED:
        before, rate = together.fitted[part.name], _POLISH_RATE * config.learning_rate
        config = replace(
            config, epochs=_POLISH_EPOCHS, max_steps=None, learning_rate=rate, keep=keep
        )
    else:
        before, steps = part.first, max(together.steps[part.name], 1)
        config = replace(config, epochs=10_000, max_steps=steps, keep=keep)
    if part.held is None:  # no row is left to calibrate probabilities
        config = replace(config, validation_share=0.0)
    config = _with_folder(config, part, variant)
    body = TunedEncoder(
        part.body.transfers, before.features, replace(part.body.plan, config=config)
    )
    features, scorer = FineTuner(body).fit(before.scorer, *part.seen, validation=part.held)
    return FittedModel(before.codec, features, scorer, before.probe)


def _with_folder(config: LoopConfig, part: PreparedTask, variant: str) -> LoopConfig:
    """Return the settings with a separate checkpoint folder for a variant."""
    if config.checkpoints is None:
        return config
    rows = "some-rows" if part.held is not None else "all-rows"
    # A task name may contain characters that are not allowed in a folder name.
    folder = Path(config.checkpoints) / rows / fingerprint(part.name)[:12] / variant
    return replace(config, checkpoints=str(folder))
