"""One more task for a model of several: beside the others, or learnt with rows of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.estimators.plans import keep, plan_of
from nlptl.estimators.tasks.joint import JointResult, JointTraining, mixing_of
from nlptl.estimators.tasks.prepared import PreparedTask, held_share, options_of, read_part
from nlptl.estimators.tasks.refitting import on_all_rows
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, TaskData, as_tasks
from nlptl.estimators.tasks.variants import (
    ALONE,
    JOINT,
    POLISHED,
    TaskComparison,
    agreed,
    figure_of,
    gain_between,
    variants_of,
)
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.intervals import Interval
from nlptl.fitting.finetuning import TUNING, hold_out, warm_head
from nlptl.fitting.fitted import FittedModel, TrainingPlan
from nlptl.fitting.training_data import TrainingData, targets_of
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.parameters.lora import LoRA

WAYS = ("adapter", "head", "encoder")


@dataclass(frozen=True)
class Change:
    """What learning one more task did to an earlier one, on rows of its replay that were held out.

    Rows that the task had learnt from before speak for before.

    Attributes
    ----------
    task, metric : str
    rows : int
        So many were held out; with none there are no figures.
    before, after : float or None
    gain : Interval or None
        From before to after, with the interval of a paired bootstrap; the sign is turned where
        less is better.
    """

    task: str
    metric: str
    rows: int
    before: float | None = None
    after: float | None = None
    gain: Interval | None = None

    @property
    def steps_aside(self) -> bool:
        """Whether the task was clearly hurt, and so answers as before."""
        return self.gain is not None and self.gain.high < 0

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read what ``asdict`` gave."""
        gain = told["gain"]
        return cls(**{**told, "gain": None if gain is None else Interval(**gain)})


@dataclass(frozen=True)
class Addition:
    """What is to be added to a model.

    Attributes
    ----------
    name : str
    task : Task
    data : TaskData
    """

    name: str
    task: Task
    data: TaskData

    @classmethod
    def read(cls, model: SharedModel, name: str, task: Any, data: Any) -> Addition:
        """Read what a user gave.

        Raises
        ------
        ConfigError
            If there is a task of that name, or it is no task.
        InputError
            If the data cannot be used.
        """
        if name in model.models_:
            raise ConfigError(f"There is a task {name!r} already. Choose another name.")
        wanted = as_tasks({name: task})[name]
        given = TaskData.read(name, data, reads_only=False)
        return cls(name, wanted.known(given.answers), given)


def add_task(
    model: SharedModel,
    name: str,
    task: Any,
    data: Any,
    *,
    how: str,
    replay: Mapping[str, Any] | None,
) -> Task:
    """Let a model learn one more task; give it as it is known.

    Raises
    ------
    ConfigError
        If there is a task of that name, ``how`` is not known, or tasks have no replay.
    InputError
        If the data cannot be used.
    """
    check_way(model, how, replay)
    further = Addition.read(model, name, task, data)
    if how == "encoder":
        take_over(model, further, replayed(model, further, replay or {}))
    else:
        model.models_[name] = _beside(model, further, how)
    return further.task


def _beside(model: SharedModel, further: Addition, how: str) -> TextModel:
    """Fit a further task on the shared encoder of a model, which is not changed."""
    transfer = LoRA(merge=False) if how == "adapter" else Frozen("top")
    options = {**options_of(model), "encoder": model.shared_, "transfer": transfer}
    try:
        own: TextModel = further.task.model(options).fit(further.data.texts, further.data.answers)
    except (InputError, ConfigError) as problem:
        raise type(problem)(f"Task {further.name!r}: {problem}") from problem
    return own


def check_way(model: SharedModel, how: str, replay: Mapping[str, Any] | None) -> None:
    """Refuse a way of adding that is not known, or that would let tasks be forgotten.

    Raises
    ------
    ConfigError
        If it is.
    """
    if how not in WAYS:
        raise ConfigError(f"how={how!r} is not known. {suggest(str(how), WAYS)}")
    if how != "encoder":
        if replay is not None:
            raise ConfigError(f"how={how!r} changes no other task: leave replay out.")
        return
    sharing = _sharing(model)
    if not sharing:
        raise ConfigError(
            "how='encoder' goes on from the shared encoder, from which no task answers. Use "
            "how='adapter'."
        )
    given = set(replay or {})
    missing = [name for name in sharing if name not in given]
    unknown = sorted(given - set(sharing))
    if missing or unknown:
        told = f"rows of {missing}" if missing else f"no rows of {unknown}"
        raise ConfigError(
            f"how='encoder' changes the shared encoder, and replay needs {told}: the tasks that "
            f"answer from it are {sharing}."
        )


@dataclass(frozen=True, eq=False)
class Replay:
    """What came of learning one more task together with rows of the earlier ones.

    Attributes
    ----------
    together : JointResult
    fitted : dict of str to FittedModel
        Of every task that took part.
    part : PreparedTask
        The new task.
    standing : TaskComparison
        How the variants of the new task compare.
    changes : dict of str to Change
        Of each earlier one.
    """

    together: JointResult
    fitted: dict[str, FittedModel]
    part: PreparedTask
    standing: TaskComparison
    changes: dict[str, Change]


def replayed(model: SharedModel, further: Addition, replay: Mapping[str, Any]) -> Replay:
    """Train the shared encoder on, on a further task and on rows of the earlier ones.

    The earlier tasks go on from the heads that they have. Nothing of the model is changed.

    Parameters
    ----------
    model : SharedModel
    further : Addition
    replay : mapping of str to (texts, answers) or Corpus
        Of each task that answers from the shared encoder.
    """
    options = {**options_of(model), "encoder": model.shared_}
    parts = {name: _again(model, name, replay[name], options) for name in _sharing(model)}
    parts[further.name] = new = read_part(further.name, further.task, further.data, options)
    joiner = JointTraining(parts, {}, mixing_of(model), model.balance)
    together = joiner.fit()
    # A head on the encoder as it was is how="head", and would have a second encoder kept.
    names = (JOINT, POLISHED, ALONE) if model.gate else (JOINT,)
    variants = variants_of(new, together, names=names)
    standing = agreed(new, variants, seed=model.seed)
    kept = dict.fromkeys(parts, JOINT) | {further.name: standing.kept}
    chosen = together.fitted | {further.name: variants[standing.kept]}
    earlier = {name: own.fitted_ for name, own in model.models_.items() if name in parts}
    told = from_main(
        lambda: {n: asdict(_change(parts[n], e, together, model.seed)) for n, e in earlier.items()}
    )
    changes = {name: Change.from_json(one) for name, one in told.items()}
    fitted, whole = on_all_rows(joiner, together, chosen, kept)
    return Replay(whole, fitted, new, standing, changes)


def take_over(model: SharedModel, further: Addition, found: Replay) -> None:
    """Let a model answer as it does after a replay; a task that was clearly hurt steps aside."""
    for name, change in found.changes.items():
        own = model.models_[name]
        if not change.steps_aside:
            keep(own, replace(found.fitted[name], history=found.together.history), own.audit_)
    new, fitted = found.part.model, found.fitted[further.name]
    new.transfer_, new.transfer_verdict_ = new.transfer, None
    keep(new, replace(fitted, history=fitted.scorer.history), new.audit_)
    model.models_[further.name] = new
    model.shared_, model.changes_ = found.together.encoder, found.changes
    model.affinity_ = found.together.affinity
    model.comparisons_[further.name] = found.standing
    model.steps_[further.name] = found.together.steps[further.name]


def _sharing(model: SharedModel) -> list[str]:
    """Name the tasks that answer from the shared encoder."""
    shared = model.shared_.weights
    found = model.models_.items()
    return [name for name, own in found if own.fitted_.features.encoder.weights is shared]


def _again(model: SharedModel, name: str, data: Any, options: Mapping[str, Any]) -> PreparedTask:
    """Make a task that was learnt ready to be learnt on, from the head that it has."""
    task, fitted = model.known_[name], model.models_[name].fitted_
    new, rows_of_task = task.model(options), TaskData.read(name, data, reads_only=False)
    plan = plan_of(new)
    try:
        rows = plan.rows(rows_of_task.texts)
        targets = targets_of(fitted.codec, rows_of_task.answers, None, rows)
    except InputError as problem:
        raise InputError(f"Replay of task {name!r}: {problem}") from problem
    if rows.are_pairs != fitted.probe.are_pairs:
        kind = "pairs of texts" if fitted.probe.are_pairs else "single texts"
        raise InputError(f"Replay of task {name!r}: it takes {kind}.")
    config = plan.config(TUNING)
    training_data = TrainingData(rows, targets, fitted.codec)
    seen, held = hold_out(rows, targets, held_share(len(rows), config), model.seed)
    imbalance = plan.imbalance_of(seen[1], solver=False, trains_head=True)
    training = TrainingPlan(config, imbalance, model.seed, model.device)
    body = TunedEncoder(plan.transfers, fitted.features, training)
    warm = warm_head(fitted.scorer, seen[1], fitted.features.groups(seen[0]))
    return PreparedTask(name, task, new, plan, training_data, seen, held, body, warm, fitted)


def _change(part: PreparedTask, before: FittedModel, together: JointResult, seed: int) -> Change:
    name = str(part.task.metric)
    if part.held is None:
        return Change(part.name, name, 0)
    rows = np.arange(len(part.held[0]))
    was, became = figure_of(part, before), figure_of(part, together.fitted[part.name])
    gain = gain_between(part, became, was, seed=seed)
    return Change(part.name, name, len(rows), was(rows), became(rows), gain)
