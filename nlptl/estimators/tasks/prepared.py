"""Preparation of tasks before joint training: rows, first heads and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError, InputError
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.estimators.plans import audit_data, plan_of
from nlptl.estimators.tasks.task import Task, TaskData
from nlptl.estimators.tasks.task_options import check_metric, transfers_of
from nlptl.estimators.text_model import TextModel
from nlptl.fitting.finetuning import TUNING
from nlptl.fitting.fitted import FittedModel, TrainingPlan
from nlptl.fitting.frozen_stage import fit_head
from nlptl.fitting.head_choice import check_head
from nlptl.fitting.head_inputs import head_inputs
from nlptl.fitting.held_out import hold_out
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData, read_labelled, targets_of
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.fitting.tuning_start import frozen_start
from nlptl.fitting.warm_head import WarmHead, warm_head
from nlptl.heads.solver_fit import weigh_rows
from nlptl.training.config import LoopConfig

_ROWS_TO_HOLD_OUT = 100
"""Minimum number of held-out rows per task, if this is at most a quarter of its rows."""

_MAX_HELD_OUT_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class PreparedTask:
    """Labelled task that is ready for training.

    Attributes
    ----------
    name : str
    task : Task
        With its kind and metric filled in.
    model : TextModel
        Unfitted model of this task alone. After the fit it holds the chosen variant.
    plan : FitPlan
        Plan to fit the task alone.
    training_data : TrainingData
        All rows.
    seen : tuple of (Rows, Targets)
        Training rows: all rows except the held-out ones.
    held : tuple of (Rows, Targets) or None
        Held-out rows, to compare the variants of the task and to calibrate probabilities.
    body : TunedEncoder
        Encoder before training, with the training plan.
    start : WarmHead
        Head that was fitted on frozen features.
    first : FittedModel
        Fitted model of the task before the encoder is trained.
    """

    name: str
    task: Task
    model: TextModel
    plan: FitPlan
    training_data: TrainingData
    seen: tuple[Rows, Targets]
    held: tuple[Rows, Targets] | None
    body: TunedEncoder
    start: WarmHead
    first: FittedModel

    @property
    def windows(self) -> Any:
        """Tokenized training rows, weighted against class imbalance."""
        rows, targets = self.seen
        weighted = targets if targets.several else weigh_rows(targets, self.body.plan.imbalance)
        return self.body.windows(rows.texts, weighted)

    @property
    def unseen(self) -> Any:
        """Tokenized held-out rows, or None if no rows are held out."""
        return None if self.held is None else self.body.windows(self.held[0].texts, self.held[1])


@dataclass(frozen=True, eq=False)
class UnlabelledTask:
    """Unlabelled task: its texts only train the encoder to predict hidden words.

    Attributes
    ----------
    name : str
    task : Task
    texts : list
    """

    name: str
    task: Task
    texts: list[Any]


def read_parts(
    tasks: Mapping[str, Task], data: Mapping[str, object], options: Mapping[str, Any]
) -> tuple[dict[str, PreparedTask], dict[str, UnlabelledTask]]:
    """Read the data of all tasks, and fit the first head of each labelled task.

    Parameters
    ----------
    tasks : mapping of str to Task
    data : mapping of str to (texts, answers) or Corpus
        Texts alone for an unlabelled task.
    options : mapping
        Constructor parameters of the model of each task.

    Raises
    ------
    InputError
        If a task has no data, data belong to no task, or the data cannot be used.
    ConfigError
        If options contradict each other.
    """
    _check_names(tasks, data)
    parts, readings = {}, {}
    for name, task in tasks.items():
        task_data = TaskData.read(name, data[name], reads_only=task.reads_only)
        if task.reads_only:
            readings[name] = _reading(name, task, task_data)
            continue
        try:
            parts[name] = read_part(name, task.known(task_data.answers), task_data, options)
        except (InputError, ConfigError) as problem:
            raise type(problem)(f"Task {name!r}: {problem}") from problem
    return parts, readings


def _reading(name: str, task: Task, data: TaskData) -> UnlabelledTask:
    try:
        texts = list(as_rows(data.texts).texts)
    except InputError as problem:
        raise InputError(f"Task {name!r}: {problem}") from problem
    if not texts:
        raise InputError(f"Task {name!r} needs at least one text, got none. Add texts to it.")
    return UnlabelledTask(name, task, texts)


def read_part(name: str, task: Task, data: TaskData, options: Mapping[str, Any]) -> PreparedTask:
    """Read the data of one task whose kind is filled in, and fit its first head."""
    check_metric(task)
    model = task.model(options)
    transfers_of(model.transfer)
    plan = plan_of(model)
    answers = plan.codec_kind.read(data.answers)
    rows = read_labelled(plan, data.texts, answers, None)
    check_head(plan.head, rows.codec)
    model.audit_ = audit_data(plan, rows)
    config = plan.config(TUNING)
    share = held_share(len(rows.rows), config)
    train_split, held_split = hold_out(rows.rows, rows.targets, share, plan.seed)
    start = frozen_start(plan.transfers, plan.encoder, *train_split, joint=plan.reads_jointly)
    training_rows = replace(rows, rows=train_split[0], targets=train_split[1])
    scorer = fit_head(plan, head_inputs(plan, training_rows, start))
    imbalance = plan.imbalance_of(train_split[1], solver=scorer.recipe is None, trains_head=True)
    training = TrainingPlan(config, imbalance, plan.seed, plan.device)
    body = TunedEncoder(plan.transfers, start, training)
    warm = warm_head(scorer, train_split[1], start.groups(train_split[0]))
    first = FittedModel(rows.codec, start, scorer, rows.probe)
    return PreparedTask(name, task, model, plan, rows, train_split, held_split, body, warm, first)


def prepare_again(
    name: str, task: Task, fitted: FittedModel, data: object, options: Mapping[str, Any]
) -> PreparedTask:
    """Prepare a fitted task for more training that continues from its fitted head.

    Parameters
    ----------
    name : str
    task : Task
    fitted : FittedModel
        Fitted model of the task.
    data : (texts, answers) or Corpus
    options : mapping
        Constructor parameters of the model of the task.

    Raises
    ------
    InputError
        If the data cannot be used, or are pairs of texts for a task of single texts.
    """
    new, task_data = task.model(options), TaskData.read(name, data, reads_only=False)
    plan = plan_of(new)
    try:
        rows = plan.rows(task_data.texts)
        targets = targets_of(fitted.codec, task_data.answers, None, rows)
    except InputError as problem:
        raise InputError(f"Replay of task {name!r}: {problem}") from problem
    if rows.are_pairs != fitted.probe.are_pairs:
        kinds = {True: "pairs of texts", False: "single texts"}
        raise InputError(
            f"Replay of task {name!r}: the task takes {kinds[fitted.probe.are_pairs]}, got "
            f"{kinds[rows.are_pairs]}. Pass {kinds[fitted.probe.are_pairs]}."
        )
    config = plan.config(TUNING)
    training_data = TrainingData(rows, targets, fitted.codec)
    train_split, held_split = hold_out(rows, targets, held_share(len(rows), config), plan.seed)
    imbalance = plan.imbalance_of(train_split[1], solver=False, trains_head=True)
    training = TrainingPlan(config, imbalance, plan.seed, plan.device)
    body = TunedEncoder(plan.transfers, fitted.features, training)
    warm = warm_head(fitted.scorer, train_split[1], fitted.features.groups(train_split[0]))
    return PreparedTask(
        name, task, new, plan, training_data, train_split, held_split, body, warm, fitted
    )


def held_share(n_rows: int, config: LoopConfig) -> float:
    """Return the share of the rows of a task that is held out."""
    if not config.validation_share:
        return 0.0
    return float(
        np.clip(_ROWS_TO_HOLD_OUT / max(n_rows, 1), config.validation_share, _MAX_HELD_OUT_SHARE)
    )


def _check_names(tasks: Mapping[str, Task], data: object) -> None:
    if not isinstance(data, Mapping):
        raise InputError(
            f"fit needs a dict {{name: (texts, labels)}} of all tasks, got {type(data).__name__}."
        )
    missing = [name for name in tasks if name not in data]
    unknown = [name for name in data if name not in tasks]
    if missing or unknown:
        if missing:
            received = f"no data for {missing}. Add them"
        else:
            received = f"data for {unknown}, which are not tasks. Remove them"
        raise InputError(f"fit needs data for the tasks {list(tasks)}, got {received}.")
