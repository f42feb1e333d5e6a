"""Stepping aside: each task as the joint training left it, and as it is in other ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.described import make
from nlptl.base.renamed import RenamedAttribute
from nlptl.estimators.tasks.joint import JointResult
from nlptl.estimators.tasks.prepared import PreparedTask
from nlptl.evaluation.intervals import Figure, Interval, bootstrap_interval
from nlptl.evaluation.judge import HELPS, HURTS, UNCLEAR
from nlptl.fitting.finetuning import LESS_IS_BETTER, FineTuner, is_refitted
from nlptl.fitting.fit import fit
from nlptl.fitting.fitted import FittedModel
from nlptl.fitting.transfers import as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.storage.hashing import fingerprint
from nlptl.training.config import LoopConfig
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import Frozen

JOINT, FROZEN, POLISHED, ALONE = VARIANTS = "joint", "frozen", "polished", "alone"
"""By what they cost: frozen tasks share the encoder as it came."""
_POLISH_EPOCHS = 1
_POLISH_RATE = 0.3
_RESAMPLES = 1_000
_MIN_TIMES_THE_ROWS = 10
"""A task is small beside others that have so many times its rows."""


@dataclass(frozen=True)
class TaskComparison:
    """How the variants of one task compare on rows that none of them saw.

    Attributes
    ----------
    task, metric : str
    rows : int
        So many were held out.
    figures : dict of str to float
        Of each variant: ``"joint"``, ``"frozen"``, ``"polished"``, ``"alone"``.
    gains : dict of str to Interval
        By how much each is above ``"alone"``, with the interval of a paired bootstrap; the sign
        is turned where less is better.
    kept : str
        The variant that answers for the task.
    """

    task: str
    metric: str
    rows: int
    figures: dict[str, float]
    gains: dict[str, Interval]
    kept: str

    says = RenamedAttribute("outcome")

    @property
    def outcome(self) -> str:
        """What learning together did to the task: helps, hurts, or no clear difference."""
        gain = self.gains.get(JOINT)
        if gain is None:
            return UNCLEAR
        return HELPS if gain.low > 0 else HURTS if gain.high < 0 else UNCLEAR

    def to_json(self) -> dict[str, Any]:
        """Describe it with plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave."""
        gains = {name: make(Interval, gain) for name, gain in told["gains"].items()}
        return make(cls, {**told, "gains": gains})


def variants_of(
    part: PreparedTask, together: JointResult, *, names: tuple[str, ...] = VARIANTS
) -> dict[str, FittedModel]:
    """Train the variants of a task that are asked for.

    Frozen, a task has a head on the encoder as it came, which reads the texts of a pair apart.
    Alone, it starts from that encoder, and takes as many steps as the joint training took with
    it. Polished, it goes on from the joint encoder by itself, for a pass over its rows at a third
    of the rate.
    """
    found = {JOINT: together.fitted[part.name]}
    for variant in names:
        if variant != JOINT:
            found[variant] = _trained(part, variant, together)
    return found


def is_outweighed(part: PreparedTask, parts: Mapping[str, PreparedTask]) -> bool:
    """Tell whether a task is small, and the others have ten times its rows."""
    n_rows = len(part.training_data.rows)
    others = sum(len(one.training_data.rows) for one in parts.values()) - n_rows
    return is_small(part) and others >= _MIN_TIMES_THE_ROWS * n_rows


def is_small(part: PreparedTask) -> bool:
    """Tell whether a task has so few rows that those held out are missed."""
    n_rows = len(part.training_data.rows)
    return part.held is not None and is_refitted(part.body.plan.config, n_rows)


def anew(part: PreparedTask, variant: str, together: JointResult) -> FittedModel:
    """Train a task by itself on all of its rows, in the way of a variant.

    Alone, it becomes what a model that has only this task would have learnt.
    """
    if variant == ALONE:
        return _by_itself(part)
    whole = replace(part, seen=(part.training_data.rows, part.training_data.targets), held=None)
    return _trained(whole, variant, together)


def agreed(
    part: PreparedTask,
    variants: Mapping[str, FittedModel],
    *,
    seed: int,
    beside: Mapping[str, PreparedTask] | None = None,
) -> TaskComparison:
    """Give what ``judged`` gives in the first process, in all of them.

    It is wary where a task is small and the tasks ``beside`` it have ten times its rows.
    """
    wary = beside is not None and is_outweighed(part, beside)
    told = from_main(lambda: judged(part, variants, seed=seed, wary=wary).to_json())
    return TaskComparison.from_json(told)


def judged(
    part: PreparedTask, variants: Mapping[str, FittedModel], *, seed: int, wary: bool = False
) -> TaskComparison:
    """Hold the variants of a task against each other, and choose one.

    The one with the best figure on the held-out rows is kept; of equals the one that costs least.
    Without such rows that is the joint one. Few rows name the luckiest as often as the best:
    ``wary``, a task is kept alone unless the best variant is clearly better than that.
    """
    name = str(part.task.metric)
    if part.held is None:
        return TaskComparison(part.name, name, 0, {}, {}, JOINT)
    asked = {variant: figure_of(part, fitted) for variant, fitted in variants.items()}
    n_rows = len(part.held[0])
    rows = np.arange(n_rows)
    sign = -1 if name in LESS_IS_BETTER else 1
    figures = {variant: figure(rows) for variant, figure in asked.items()}
    gains = {
        variant: gain_between(part, figure, asked[ALONE], seed=seed)
        for variant, figure in asked.items()
        if ALONE in asked and variant != ALONE
    }
    cheapest = [variant for variant in VARIANTS if variant in figures]
    kept = max(cheapest, key=lambda variant: sign * figures[variant])
    if wary and kept in gains and gains[kept].low <= 0:
        kept = ALONE
    return TaskComparison(part.name, name, n_rows, figures, gains, kept)


def figure_of(part: PreparedTask, fitted: FittedModel) -> Figure:
    """Give the function that scores a variant on some of the held-out rows."""
    from nlptl.evaluation.metrics import compute_one

    if part.held is None:
        raise ValueError(part.name)
    rows, targets = part.held
    features, name = fitted.features.transform(rows), str(part.task.metric)
    decision = fitted.scorer.decision
    said: AnyArray
    if targets.numeric:
        said = fitted.scorer.logits(features)[:, 0]
    else:
        sure = fitted.scorer.probabilities(features)
        said = sure if name in ("log_loss", "calibration_error") else decision.choose(sure)

    def figure(some: IntArray) -> float:
        return float(compute_one(name, said[some], targets.codes[some])[name])

    return figure


def gain_between(part: PreparedTask, found: Figure, base: Figure, *, seed: int) -> Interval:
    """Give by how much one figure of the held-out rows is better than another, resampled."""
    if part.held is None:
        raise ValueError(part.name)
    gain = bootstrap_interval(found, base, len(part.held[0]), times=_RESAMPLES, seed=seed)
    if part.task.metric not in LESS_IS_BETTER:
        return gain
    return Interval(-gain.value, -gain.high, -gain.low)


def _trained(part: PreparedTask, variant: str, together: JointResult) -> FittedModel:
    return _frozen(part) if variant == FROZEN else _tuned(part, variant, together)


def _by_itself(part: PreparedTask) -> FittedModel:
    """Train a task on all of its rows with the settings of the user."""
    training = part.plan.training
    if training is not None and training.checkpoints is not None:
        folder = _apart(part.body.plan.config, replace(part, held=None), ALONE).checkpoints
        training = replace(training, checkpoints=folder)
    plan = replace(part.plan, encoder=part.body.encoder, training=training)
    fitted = fit(plan, part.training_data)
    return replace(part.first, features=fitted.features, scorer=fitted.scorer)


def _frozen(part: PreparedTask) -> FittedModel:
    """Fit a head on the encoder as it was loaded; texts of a pair are read one by one."""
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
    """Train a task by itself, from the joint encoder or from the one that came."""
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
    if part.held is None:  # no row is left to tell how probabilities are to be read
        config = replace(config, validation_share=0.0)
    config = _apart(config, part, variant)
    body = TunedEncoder(
        part.body.transfers, before.features, replace(part.body.plan, config=config)
    )
    features, scorer = FineTuner(body).fit(before.scorer, *part.seen, validation=part.held)
    return FittedModel(before.codec, features, scorer, before.probe)


def _apart(config: LoopConfig, part: PreparedTask, variant: str) -> LoopConfig:
    """Give checkpoints of a variant a folder of their own."""
    if config.checkpoints is None:
        return config
    rows = "some-rows" if part.held is not None else "all-rows"
    # Names of tasks may hold what names of folders must not.
    own = Path(config.checkpoints) / rows / fingerprint(part.name)[:12] / variant
    return replace(config, checkpoints=str(own))
