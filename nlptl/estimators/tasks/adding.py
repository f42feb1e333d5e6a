"""Adding a task to a fitted multi-task model, with or without training its encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.estimators.plans import keep
from nlptl.estimators.tasks.joint import JointResult, JointTraining
from nlptl.estimators.tasks.prepared import PreparedTask, prepare_again, read_part
from nlptl.estimators.tasks.refitting import on_all_rows
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, TaskData, as_tasks
from nlptl.estimators.tasks.task_options import mixing_of, options_of
from nlptl.estimators.tasks.variants import (
    ALONE,
    JOINT,
    POLISHED,
    compare_in_main_process,
    compare_variants,
    variants_of,
)
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.verdict import KEEP_UNLESS_HURTS, Verdict
from nlptl.fitting.fitted import FittedModel
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.parameters.lora import LoRA

WAYS = ("adapter", "head", "encoder")
AFTER, BEFORE = "after", "before"
"""Names of an earlier task that was trained further, and of the same task as it was."""


@dataclass(frozen=True)
class Addition:
    """Task to add to a model, with its name and data.

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
    def read(cls, model: SharedModel, name: str, task: Task | str, data: object) -> Addition:
        """Check the name, the task and the data that a user passed.

        Raises
        ------
        ConfigError
            If the model already has a task of that name, or ``task`` is not a task with labels or
            numbers.
        InputError
            If the data cannot be used.
        """
        if name in model.models_:
            raise ConfigError(
                f"The model already has a task with the name {name!r}. Choose another name."
            )
        checked_task = as_tasks({name: task})[name]
        rows = TaskData.read(name, data, reads_only=False)
        return cls(name, checked_task.known(rows.answers), rows)


def add_task(
    model: SharedModel,
    name: str,
    task: Task | str,
    data: object,
    *,
    how: str,
    replay: Mapping[str, object] | None,
) -> Task:
    """Fit an additional task of a model, and return the task with its kind filled in.

    Raises
    ------
    ConfigError
        If the model already has a task of that name, ``how`` is not known, or ``replay`` does not
        fit ``how``.
    InputError
        If the data cannot be used.
    """
    check_way(model, how, replay)
    addition = Addition.read(model, name, task, data)
    if how == "encoder":
        apply_replay(model, addition, fit_with_replay(model, addition, replay or {}))
    else:
        model.models_[name] = _fit_on_shared_encoder(model, addition, how)
    return addition.task


def _fit_on_shared_encoder(model: SharedModel, addition: Addition, how: str) -> TextModel:
    """Fit a task on the shared encoder of a model. The model does not change."""
    transfer = LoRA(merge=False) if how == "adapter" else Frozen("top")
    options = options_of(model, added=addition.name)
    options |= {"encoder": model.shared_, "transfer": transfer}
    data = addition.data
    try:
        task_model: TextModel = addition.task.model(options).fit(data.texts, data.answers)
    except (InputError, ConfigError) as problem:
        raise type(problem)(f"Task {addition.name!r}: {problem}") from problem
    return task_model


def check_way(model: SharedModel, how: str, replay: Mapping[str, object] | None) -> None:
    """Check that ``how`` is known, and that ``replay`` has rows of every task that changes.

    Raises
    ------
    ConfigError
        If one of these does not hold.
    """
    if how not in WAYS:
        raise ConfigError(f"how={how!r} is not known. {suggest(str(how), WAYS)}")
    if how != "encoder":
        if replay is not None:
            raise ConfigError(f"how={how!r} changes no other task. Leave replay out.")
        return
    sharing = _sharing(model)
    if not sharing:
        raise ConfigError(
            "how='encoder' continues to train the shared encoder, but no task of this model uses "
            "it. Use how='adapter'."
        )
    replay_names = set(replay or {})
    missing = [name for name in sharing if name not in replay_names]
    unknown = sorted(replay_names - set(sharing))
    if missing or unknown:
        problem = f"lacks rows of {missing}. Add" if missing else f"has rows of {unknown}. Remove"
        raise ConfigError(
            "how='encoder' changes the shared encoder, so replay must have rows of exactly the "
            f"tasks that use it: {sharing}. It {problem} them."
        )


@dataclass(frozen=True, eq=False)
class Replay:
    """Result of training a new task together with rows of the earlier tasks.

    Attributes
    ----------
    together : JointResult
        Result of the joint training.
    fitted : dict of str to FittedModel
        Fitted model of every task that took part.
    part : PreparedTask
        The new task.
    comparison : Verdict
        Verdict on the variants of the new task.
    changes : dict of str to Verdict
        Verdict on each earlier task after and before the addition.
    """

    together: JointResult
    fitted: dict[str, FittedModel]
    part: PreparedTask
    comparison: Verdict
    changes: dict[str, Verdict]


def fit_with_replay(model: SharedModel, addition: Addition, replay: Mapping[str, object]) -> Replay:
    """Continue to train the shared encoder, on a new task and on rows of the earlier tasks.

    The earlier tasks continue from their fitted heads. The model itself does not change.

    Parameters
    ----------
    model : SharedModel
    addition : Addition
    replay : mapping of str to (texts, answers) or Corpus
        Rows of each task that uses the shared encoder.
    """
    options = {**options_of(model, added=addition.name), "encoder": model.shared_}
    parts = {
        name: prepare_again(
            name, model.known_[name], model.models_[name].fitted_, replay[name], options
        )
        for name in _sharing(model)
    }
    parts[addition.name] = new = read_part(addition.name, addition.task, addition.data, options)
    joiner = JointTraining(parts, {}, mixing_of(model), model.balance)
    together = joiner.fit()
    # No frozen variant: it equals how="head", and the model would have to keep a second encoder.
    names = (JOINT, POLISHED, ALONE) if model.gate else (JOINT,)
    variants = variants_of(new, together, names=names)
    comparison = compare_in_main_process(new, variants, seed=model.seed)
    kept = dict.fromkeys(parts, JOINT) | {addition.name: comparison.kept}
    chosen = together.fitted | {addition.name: variants[comparison.kept]}
    earlier = {name: part.fitted_ for name, part in model.models_.items() if name in parts}
    described = from_main(
        lambda: {
            name: _change(parts[name], before, together, model.seed).to_json()
            for name, before in earlier.items()
        }
    )
    changes = {name: Verdict.from_json(change) for name, change in described.items()}
    fitted, whole = on_all_rows(joiner, together, chosen, kept)
    return Replay(whole, fitted, new, comparison, changes)


def apply_replay(model: SharedModel, addition: Addition, result: Replay) -> None:
    """Update a model with the result of a replay, except for tasks that were clearly hurt."""
    history = result.together.history
    for name, change in result.changes.items():
        earlier = model.models_[name]
        if change.kept == AFTER:
            keep(earlier, replace(result.fitted[name], history=history), earlier.audit_)
    new, fitted = result.part.model, result.fitted[addition.name]
    new.transfer_, new.transfer_verdict_ = new.transfer, None
    keep(new, fitted, new.audit_)
    model.models_[addition.name] = new
    model.shared_, model.changes_ = result.together.encoder, result.changes
    model.affinity_ = result.together.affinity
    model.comparisons_[addition.name] = result.comparison
    model.steps_[addition.name] = result.together.steps[addition.name]


def _sharing(model: SharedModel) -> list[str]:
    """Return the names of the tasks that use the shared encoder."""
    shared = model.shared_.weights
    models = model.models_.items()
    return [name for name, part in models if part.fitted_.features.encoder.weights is shared]


def _change(part: PreparedTask, before: FittedModel, together: JointResult, seed: int) -> Verdict:
    """Compare a task after and before the addition, on held-out rows of its replay.

    Rows that the task was already trained on make its figure before look better than it is.
    """
    fitted = {AFTER: together.fitted[part.name], BEFORE: before}
    return compare_variants(part, fitted, seed=seed, keep=KEEP_UNLESS_HURTS)
