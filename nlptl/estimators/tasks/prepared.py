"""Tasks on their way through a fit: rows, first heads, and what is held out of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.estimators.plans import audit_rows, plan_of
from nlptl.estimators.tasks.shared_model import SharedModel
from nlptl.estimators.tasks.task import Task, TaskData
from nlptl.estimators.text_model import TextModel
from nlptl.fitting.finetuning import TUNING, WarmHead, frozen_start, hold_out, warm_head
from nlptl.fitting.fitted import FittedModel, TrainingPlan
from nlptl.fitting.frozen_stage import fit_head
from nlptl.fitting.head_choice import check_head
from nlptl.fitting.plan import FitPlan
from nlptl.fitting.training_data import TrainingData, read_labelled
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.heads.solver_fit import weigh_rows
from nlptl.training.config import LoopConfig
from nlptl.transfer.parameters.full import FullFineTune

_ROWS_TO_HOLD_OUT = 100
"""So many rows are held out of a task at least, if that is no more than a quarter of them."""

_MAX_HELD_OUT_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class PreparedTask:
    """One task with answers.

    Attributes
    ----------
    name : str
    task : Task
        With its kind and figure known.
    model : TextModel
        That would learn the task alone; it becomes the one that answers for it.
    plan : FitPlan
        How it would be fitted alone.
    training_data : TrainingData
        All rows.
    seen : tuple of (Rows, Targets)
        What is learnt from while others are held out.
    held : tuple of (Rows, Targets) or None
        By what variants of the task are compared, and probabilities calibrated.
    body : TunedEncoder
        The encoder as it was, with the plan of training.
    start : WarmHead
        The head that was fitted on frozen features.
    first : FittedModel
        The task before anything is tuned.
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
        """What is learnt from, tokenized, rows weighed against imbalance."""
        rows, targets = self.seen
        weighed = targets if targets.several else weigh_rows(targets, self.body.plan.imbalance)
        return self.body.windows(rows.texts, weighed)

    @property
    def unseen(self) -> Any:
        """The rows held out, tokenized; None where there are none."""
        return None if self.held is None else self.body.windows(self.held[0].texts, self.held[1])


@dataclass(frozen=True, eq=False)
class UnlabelledTask:
    """A task without answers: texts that are only read.

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
    tasks: Mapping[str, Task], data: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, PreparedTask], dict[str, UnlabelledTask]]:
    """Read the data of all tasks, and fit the first head of each.

    Parameters
    ----------
    tasks : mapping of str to Task
    data : mapping of str to (texts, answers) or Corpus
    options : mapping
        What the model of each task is made with.

    Raises
    ------
    InputError
        If a task has no data, data no task, or either cannot be used.
    ConfigError
        If options contradict each other.
    """
    _check_names(tasks, data)
    parts, readings = {}, {}
    for name, task in tasks.items():
        given = TaskData.read(name, data[name], reads_only=task.reads_only)
        if task.reads_only:
            readings[name] = _reading(name, task, given)
            continue
        try:
            parts[name] = read_part(name, task.known(given.answers), given, options)
        except (InputError, ConfigError) as problem:
            raise type(problem)(f"Task {name!r}: {problem}") from problem
    return parts, readings


def _reading(name: str, task: Task, data: TaskData) -> UnlabelledTask:
    try:
        texts = list(as_rows(data.texts).texts)
    except InputError as problem:
        raise InputError(f"Task {name!r}: {problem}") from problem
    if not texts:
        raise InputError(f"Task {name!r} has no text to read.")
    return UnlabelledTask(name, task, texts)


def transfers_of(given: Any) -> Transfers:
    """Read the transfer of a model of several tasks.

    Raises
    ------
    ConfigError
        If it does not tune the encoder together with the heads.
    """
    transfers = as_transfers(given)
    if not transfers.tunes or transfers.refits_head or transfers.meaning is not None:
        named = ", ".join(f"{type(one).__name__}()" for one in transfers)
        raise ConfigError(
            f"Tasks share an encoder that learns, and {named} does not learn with heads. Use "
            "FullFineTune() or LoRA()."
        )
    return transfers


def options_of(model: SharedModel) -> dict[str, Any]:
    """Return the parameters of the model of each task."""
    transfer = FullFineTune() if model.transfer is None else model.transfer
    transfers_of(transfer)
    names = ("encoder", "training", "seed", "long_texts", "pair_encoding", "device")
    return {**{name: getattr(model, name) for name in names}, "transfer": transfer}


def _check_metric(task: Task) -> None:
    """Refuse a figure that could not be computed, before anything is trained."""
    from nlptl.evaluation.metrics import figures_of

    known = figures_of(numeric=task.kind == "regression")
    if task.metric not in known:
        raise ConfigError(
            f"metric={task.metric!r} is no figure of a task of kind {task.kind!r}. "
            f"{suggest(str(task.metric), known)}"
        )


def read_part(name: str, task: Task, data: TaskData, options: Mapping[str, Any]) -> PreparedTask:
    """Read the data of one task whose kind is known, and fit its first head."""
    _check_metric(task)
    model = task.model(options)
    transfers_of(model.transfer)
    plan = plan_of(model)
    answers = plan.codec_kind.read(data.answers)
    rows = read_labelled(plan, data.texts, answers, None)
    check_head(plan.head, rows.codec)
    model.audit_ = audit_rows(plan, rows.rows, answers)
    config = plan.config(TUNING)
    seen, held = hold_out(rows.rows, rows.targets, held_share(len(rows.rows), config), plan.seed)
    start = frozen_start(plan.transfers, plan.encoder, *seen, joint=plan.reads_jointly)
    scorer = fit_head(plan, replace(rows, rows=seen[0], targets=seen[1]), start)
    imbalance = plan.imbalance_of(seen[1], solver=scorer.recipe is None, trains_head=True)
    training = TrainingPlan(config, imbalance, plan.seed, plan.device)
    body = TunedEncoder(plan.transfers, start, training)
    warm = warm_head(scorer, seen[1], start.groups(seen[0]))
    first = FittedModel(rows.codec, start, scorer, rows.probe)
    return PreparedTask(name, task, model, plan, rows, seen, held, body, warm, first)


def held_share(n_rows: int, config: LoopConfig) -> float:
    """Give the share of the rows of a task that is held out."""
    if not config.validation_share:
        return 0.0
    return float(
        np.clip(_ROWS_TO_HOLD_OUT / max(n_rows, 1), config.validation_share, _MAX_HELD_OUT_SHARE)
    )


def _check_names(tasks: Mapping[str, Task], data: Any) -> None:
    if not isinstance(data, Mapping):
        raise InputError(
            f"fit takes {{name: (texts, labels)}} for the tasks, got {type(data).__name__}."
        )
    missing = [name for name in tasks if name not in data]
    unknown = [name for name in data if name not in tasks]
    if missing or unknown:
        told = f"no data for {missing}" if missing else f"data for {unknown}, which is no task"
        raise InputError(f"fit was given {told}. The tasks are {list(tasks)}.")
